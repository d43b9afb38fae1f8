package graph

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"fleetgate/glpiproxy"
	"fleetgate/internal/audit"
	"fleetgate/internal/signin"
)

// outcomeOf is what came of a mutation, in a word or two: done, the codes of the refusal, or how many of many were done.
func outcomeOf(payload any, err error) string {
	if err != nil {
		return string(codeOf(err))
	}
	codes := codesIn(payload)
	results := membersOf(payload, "Results")
	failed := 0
	for _, result := range results {
		if found := codesIn(result); len(found) > 0 {
			failed++
			codes = append(codes, found...)
		}
	}
	slices.Sort(codes)
	told := strings.Join(slices.Compact(codes), ", ")
	switch {
	case told == "":
		return audit.Done
	case failed > 0 && failed < len(results):
		return fmt.Sprintf("%s: %d of %d; %s", audit.Done, len(results)-failed, len(results), told)
	}
	return told
}

// codeOf is the code that clients are told of an error.
func codeOf(err error) Code {
	var own *coded
	var glpi *glpiproxy.Error
	switch {
	case errors.As(err, &own):
		return own.code
	case errors.As(err, &glpi):
		if said, known := glpiCodes[glpi.Kind]; known {
			return said.code
		}
	case signin.IsSignInError(err):
		return CodeUnauthenticated
	}
	return CodeInternal
}

// codesIn are the codes of a payload's userErrors, of whichever type.
func codesIn(payload any) (codes []string) {
	for _, member := range membersOf(payload, "UserErrors") {
		if wrong := structOf(reflect.ValueOf(member)); wrong.IsValid() {
			if code := wrong.FieldByName("Code"); code.IsValid() {
				codes = append(codes, code.String())
			}
		}
	}
	return codes
}

// membersOf are the members of a list in a struct.
func membersOf(of any, name string) (members []any) {
	value := structOf(reflect.ValueOf(of))
	if !value.IsValid() {
		return nil
	}
	list := value.FieldByName(name)
	if !list.IsValid() || list.Kind() != reflect.Slice {
		return nil
	}
	for i := range list.Len() {
		members = append(members, list.Index(i).Interface())
	}
	return members
}

// structOf follows pointers to a struct; the zero Value where there is none.
func structOf(value reflect.Value) reflect.Value {
	for value.Kind() == reflect.Pointer || value.Kind() == reflect.Interface {
		value = value.Elem()
	}
	if value.Kind() != reflect.Struct {
		return reflect.Value{}
	}
	return value
}

// idsIn are the ids of objects that an input or a payload holds, wherever, each once.
func idsIn(value any) []string {
	var ids []string
	collectIDs(reflect.ValueOf(value), 0, &ids)
	return ids
}

// deepest is how far below an input or a payload ids are looked for: results, and what is in each.
const deepest = 6

func collectIDs(value reflect.Value, depth int, ids *[]string) {
	if depth > deepest || !value.IsValid() {
		return
	}
	if node, ok := identified(value); ok {
		addID(ids, node.GlobalID())
		return // what belongs to the object is not what the deed is about
	}
	switch value.Kind() {
	case reflect.Pointer, reflect.Interface:
		collectIDs(value.Elem(), depth+1, ids)
	case reflect.Slice:
		for i := range value.Len() {
			collectIDs(value.Index(i), depth+1, ids)
		}
	case reflect.Struct:
		for i := range value.NumField() {
			if value.Type().Field(i).IsExported() {
				collectIDs(value.Field(i), depth+1, ids)
			}
		}
	case reflect.String:
		addID(ids, value.String())
	}
}

// identified is an object with an id of its own.
func identified(value reflect.Value) (interface{ GlobalID() string }, bool) {
	if value.Kind() == reflect.Pointer && value.IsNil() || !value.CanInterface() {
		return nil, false
	}
	node, ok := value.Interface().(interface{ GlobalID() string })
	return node, ok
}

func addID(ids *[]string, text string) {
	if isNodeID(text) && len(*ids) < 2*largestPage && !slices.Contains(*ids, text) {
		*ids = append(*ids, text)
	}
}
