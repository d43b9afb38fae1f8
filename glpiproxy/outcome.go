package glpiproxy

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// Outcome is what became of one item of a write.
type Outcome struct {
	ID      int    // of the item; 0: not created
	Message string // GLPI's, in the session's language; "" when it had none
	Err     error  // nil: done
}

// Outcomes are what became of each item of a write, in the order asked.
type Outcomes []Outcome

// Err is nil when everything was done, the one error of a write of one item, and
// otherwise a Partial *Error with the outcomes as its Items.
func (o Outcomes) Err() error {
	failed := 0
	for _, outcome := range o {
		if outcome.Err != nil {
			failed++
		}
	}
	switch {
	case failed == 0:
		return nil
	case len(o) == 1:
		return o[0].Err
	}
	return &Error{Kind: Partial, Operation: "write", Items: o}
}

// resultsOf reads the results of a write out of an answer or a refusal. ok is false
// when there are none: then err says why, as far as it is known.
func resultsOf(operation string, a *answer, err error) (results []Outcome, ok bool, _ error) {
	var e *Error
	if errors.As(err, &e) && len(e.Items) > 0 {
		return e.Items, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	raw, parseErr := parseWritten(a.body)
	if parseErr != nil {
		return nil, false, unexpected(operation, a.status, parseErr)
	}
	if a.status == http.StatusMultiStatus {
		pair, _ := members(raw)
		if len(pair) < 2 {
			return nil, false, unexpected(operation, a.status, errors.New("a partial result without results"))
		}
		raw = pair[1].value
	}
	results, ok = parseOutcomes(operation, raw)
	if !ok {
		return nil, false, unexpected(operation, a.status, errors.New("no results of a write"))
	}
	return results, true, nil
}

// created is the id of the one item that was made.
func created(operation string, a *answer, err error) (int, error) {
	results, ok, err := resultsOf(operation, a, err)
	switch {
	case !ok && uncertain(err) && KindOf(err) != Canceled:
		return 0, inDoubt(operation, err)
	case !ok:
		return 0, err
	case len(results) != 1:
		return 0, inDoubt(operation, unexpected(operation, 0, errors.New("no result of a write")))
	}
	return results[0].ID, results[0].Err
}

// parseWritten is parseJSON for writes, which have been carried out when GLPI says
// so: a PHP warning before the JSON, as creating users has, doesn't change that.
func parseWritten(body []byte) (json.RawMessage, error) {
	raw, err := parseJSON(body)
	if err == nil {
		return raw, nil
	}
	for _, start := range []string{`[{`, `{"id"`} {
		if i := strings.LastIndex(string(body), start); i >= 0 && json.Valid(body[i:]) {
			return body[i:], nil
		}
	}
	return nil, err
}

// parseOutcomes reads [{"12":true,"message":""},…], {"id":12,"message":""} and lists
// of the latter.
func parseOutcomes(operation string, raw json.RawMessage) ([]Outcome, bool) {
	if r, err := parseRow(raw); err == nil {
		if outcome, ok := parseOutcome(operation, r); ok {
			return []Outcome{outcome}, true
		}
	}
	list, ok := members(raw)
	if !ok {
		return nil, false
	}
	var results []Outcome
	for _, m := range list {
		r, err := parseRow(m.value)
		if err != nil { // [] for an element without an id
			continue
		}
		if outcome, ok := parseOutcome(operation, r); ok {
			results = append(results, outcome)
		}
	}
	return results, true
}

func parseOutcome(operation string, r row) (Outcome, bool) {
	outcome := Outcome{Message: tidyMessage(r.text("message"))}
	done, keys := false, 0
	if _, created := r["id"]; created {
		outcome.ID, _ = intOf(r["id"])
		done, keys = outcome.ID > 0, 1
	}
	for key, value := range r {
		if id, err := strconv.Atoi(key); err == nil && id >= 0 && plain(value) != "" {
			outcome.ID, done = id, boolOf(value)
			keys++
		}
	}
	if keys == 1 && !done {
		outcome.Err = &Error{Kind: Invalid, Operation: operation, Message: cmp.Or(outcome.Message, silentRefusal)}
	}
	return outcome, keys == 1
}

const silentRefusal = "GLPI refused it without saying why"

// uncertain tells of an error after which a write may have been carried out.
func uncertain(err error) bool {
	var e *Error
	if errors.As(err, &e) && e.unsent {
		return false
	}
	switch KindOf(err) {
	case Upstream, Timeout, Unavailable, Canceled:
		return true
	}
	return false
}

// inDoubt is the error of a write of which nobody knows whether it was carried out.
func inDoubt(operation string, err error) error {
	doubt := &Error{Kind: KindOf(err), Operation: operation, Message: "it may have been carried out all the same", Err: err}
	var e *Error
	if errors.As(err, &e) {
		doubt.Status, doubt.Code = e.Status, e.Code
	}
	return doubt
}
