package glpi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// outcome is the result of one element of a write.
type outcome struct {
	result any // what the answer shows of it; nil: nothing
	failed bool
}

// inputs reads the input parameter: one object, or a list of them.
func (r *request) inputs() (elements []any, isList bool, err error) {
	switch v := r.params["input"].(type) {
	case map[string]any:
		return []any{v}, false, nil
	case []any:
		return v, true, nil
	}
	return nil, false, errBadArray
}

// decode turns decoded JSON into what GLPI works with after cleaning: scalars as text, < and > as entities.
func decode(v any) any {
	switch v := v.(type) {
	case map[string]any:
		clean := make(map[string]any, len(v))
		for key, e := range v {
			clean[key] = decode(e)
		}
		return clean
	case []any:
		clean := make([]any, len(v))
		for i, e := range v {
			clean[i] = decode(e)
		}
		return clean
	case json.Number:
		return v.String()
	case string:
		return cleaner.Replace(v)
	}
	return scalar(v)
}

var cleaner = strings.NewReplacer("<", "&lt;", ">", "&gt;", "&#039;", "'", "&#39;", "'")

func decodeInput(v any) Input {
	fields, _ := v.(map[string]any)
	in := Input{}
	for key, e := range fields {
		in[key] = decode(e)
	}
	return in
}

// create answers POST /:itemtype.
func (r *request) create(tab *table) (*reply, error) {
	elements, isList, err := r.inputs()
	if err != nil {
		return nil, err
	}
	var results []outcome
	var created []string
	for _, e := range elements {
		row, done, err := r.createOne(tab, decodeInput(e))
		if err != nil {
			return nil, err
		}
		if row != nil {
			created = append(created, fmt.Sprintf("%s/%s/%d", r.apiURL(), tab.typ.Name, row.ID()))
		}
		results = append(results, done)
	}
	answer, err := summary("ADD", results, isList)
	if err != nil || answer.status == http.StatusMultiStatus {
		return answer, err
	}
	answer.status = http.StatusCreated
	if isList {
		answer.set("link", strings.Join(created, ","))
		return answer, nil
	}
	answer.set("location", created[0])
	answer.body = results[0].result
	return answer, nil
}

func (r *request) createOne(tab *table, in Input) (*Row, outcome, error) {
	if !in.Given("entities_id") && tab.typ.Has("entities_id") {
		in.Set("entities_id", r.tx.ActiveEntity())
	}
	row, err := r.tx.create(tab, in, true)
	message := r.tx.takeMessage()
	if errors.Is(err, ErrFatal) {
		return nil, outcome{}, err
	}
	if err != nil {
		if text := err.Error(); text != "" {
			message = text
		}
		return nil, outcome{Object{{"id", false}, {"message", plainText(message)}}, true}, nil
	}
	result := Object{{"id", row.ID()}, {"message", plainText(message)}}
	if len(r.parts) > 0 {
		result.Set("upload_result", r.uploadResult())
	}
	return row, outcome{result, false}, nil
}

// update answers PUT and PATCH. In 9.3.1 objects inside the input stay PHP objects, which is fatal where they are used.
func (r *request) update(tab *table, id int, hasID bool) (*reply, error) {
	elements, isList, err := r.inputs()
	if err != nil {
		return nil, err
	}
	var results []outcome
	for _, e := range elements {
		fields, _ := e.(map[string]any)
		for _, v := range fields {
			if _, nested := v.(map[string]any); nested {
				return nil, ErrFatal
			}
		}
		in := decodeInput(e)
		if hasID && !isList {
			in.Set("id", id)
		}
		done, err := r.updateOne(tab, in)
		if err != nil {
			return nil, err
		}
		results = append(results, done)
	}
	return summary("UPDATE", results, isList)
}

func (r *request) updateOne(tab *table, in Input) (outcome, error) {
	if !in.Has("id") {
		return outcome{result: Object{}}, nil
	}
	row := r.tx.load(tab, in.Int("id"))
	if row == nil {
		return outcome{failed: true}, nil
	}
	id := in.Str("id")
	if !r.tx.canItem(row, Update) {
		return refused(id, noPermission), nil
	}
	err := r.tx.Update(row, in)
	message := r.tx.takeMessage()
	if errors.Is(err, ErrFatal) {
		return outcome{}, err
	}
	if err != nil {
		if text := err.Error(); text != "" {
			message = text
		}
		return refused(id, plainText(message)), nil
	}
	return outcome{result: Object{{id, true}, {"message", plainText(message)}}}, nil
}

func refused(id, message string) outcome {
	return outcome{Object{{id, false}, {"message", message}}, true}
}

// remove answers DELETE: to the trash where the class has one and force_purge is not given.
func (r *request) remove(tab *table, id int, hasID bool) (*reply, error) {
	elements, isList, err := r.inputs()
	if err != nil {
		if !hasID {
			return nil, err
		}
		elements, isList = []any{map[string]any{}}, false
	}
	purge := r.flag("force_purge", false)
	var results []outcome
	for _, e := range elements {
		in := decodeInput(e)
		if hasID && !isList {
			in.Set("id", id)
		}
		purge = purge || in.Int("force_purge") == 1
		done, err := r.removeOne(tab, in, purge)
		if err != nil {
			return nil, err
		}
		results = append(results, done)
	}
	return summary("DELETE", results, isList)
}

func (r *request) removeOne(tab *table, in Input, purge bool) (outcome, error) {
	id := in.Str("id")
	row := r.tx.load(tab, in.Int("id"))
	if row == nil {
		return refused(id, "Item not found"), nil
	}
	right := Purge
	if trash := tab.typ.Has("is_deleted"); trash && !purge {
		right = Delete
	}
	if !r.tx.canItem(row, right) {
		return refused(id, noPermission), nil
	}
	var err error
	if right == Delete {
		row.Set("is_deleted", 1)
		row.Set("date_mod", r.tx.Date())
	} else {
		err = r.tx.Delete(row)
	}
	message := r.tx.takeMessage()
	if errors.Is(err, ErrFatal) {
		return outcome{}, err
	}
	if err != nil {
		if text := err.Error(); text != "" {
			message = text
		}
		return refused(id, plainText(message)), nil
	}
	return outcome{result: Object{{id, true}, {"message", plainText(message)}}}, nil
}

// summary makes the answer of a write: all done, some failed (207), or all failed.
func summary(verb string, results []outcome, isList bool) (*reply, error) {
	failed, list := 0, List{}
	for _, done := range results {
		if done.failed {
			failed++
		}
		if done.result != nil {
			list = append(list, done.result)
		}
	}
	switch {
	case failed == len(results) && !isList:
		var message any
		if len(list) > 0 {
			message = list[0].(Object).Get("message")
		}
		return nil, plain(http.StatusBadRequest, "ERROR_GLPI_"+verb, message)
	case failed == len(results):
		return nil, plain(http.StatusBadRequest, "ERROR_GLPI_"+verb, list)
	case failed > 0:
		return &reply{status: http.StatusMultiStatus, body: List{"ERROR_GLPI_PARTIAL_" + verb, list}}, nil
	}
	return ok(list), nil
}

var tag = regexp.MustCompile(`<[^<>]*>`)

// plainText is a message without HTML as GLPI's API makes it: tags cut out with a simple pattern that an attribute's >
// fools, and what is left encoded again.
func plainText(message string) string {
	decoded := strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(message)
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(tag.ReplaceAllString(decoded, ""))
}
