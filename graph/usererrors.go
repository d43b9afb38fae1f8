package graph

import (
	"context"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// userError is one thing that the caller did wrong, at a field's path: userError(code, message, "input", "name").
func userError(code model.UserErrorCode, message string, field ...string) *model.UserError {
	return &model.UserError{Code: code, Message: message, Field: field}
}

// mistakes is the list of the one mistake found, or of none.
func mistakes(found *model.UserError) []*model.UserError {
	if found == nil {
		return []*model.UserError{}
	}
	return []*model.UserError{found}
}

// unknownAt is the one answer for an id of nothing, and of what another company owns.
func unknownAt(field ...string) *model.UserError {
	return userError(model.UserErrorCodeNotFound, "There is no such object.", field...)
}

// badAt is a value that can't be used.
func badAt(message string, field ...string) *model.UserError {
	return userError(model.UserErrorCodeBadUserInput, message, field...)
}

// inputID takes a global id of one known type out of an input; or the caller's mistake.
func inputID(typename, globalID string, field ...string) (int, *model.UserError) {
	found, id, err := model.ParseGlobalID(globalID)
	switch {
	case err != nil:
		return 0, badAt("It is not an id of this API.", field...)
	case found != typename:
		return 0, badAt("It is the id of a "+found+", not of a "+typename+".", field...)
	}
	return id, nil
}

// blaming are the codes of this API's own errors that blame the caller, as userErrors say them.
var blaming = map[Code]model.UserErrorCode{
	CodeForbidden:    model.UserErrorCodeForbidden,
	CodeNotFound:     model.UserErrorCodeNotFound,
	CodeBadUserInput: model.UserErrorCodeBadUserInput,
	CodeConflict:     model.UserErrorCodeConflict,
	CodeRateLimited:  model.UserErrorCodeRateLimited,
}

// refusal tells the caller's mistake that was found at a field; the error is what nobody can help by another input.
//
// What GLPI itself forbids on an item is NOT_FOUND, as if the item weren't there: no oracle. A profile without the
// right, which is found before GLPI is asked, is FORBIDDEN.
func refusal(err error, field ...string) (*model.UserError, error) {
	var own *coded
	if errors.As(err, &own) {
		if code, blames := blaming[own.code]; blames {
			return userError(code, sentence(own.message), field...), nil
		}
		return nil, err
	}
	var failed *glpiproxy.Error
	if !errors.As(err, &failed) {
		return nil, err
	}
	switch failed.Kind {
	case glpiproxy.NotFound:
		return unknownAt(field...), nil
	case glpiproxy.Forbidden:
		if failed.Status != 0 {
			return unknownAt(field...), nil
		}
		return userError(model.UserErrorCodeForbidden, "Your profile does not allow this.", field...), nil
	case glpiproxy.Unchanged:
		return userError(model.UserErrorCodeUnchanged, unchanged(failed), field...), nil
	case glpiproxy.Throttled:
		return userError(model.UserErrorCodeRateLimited, sentence(glpiCodes[failed.Kind].message), field...), nil
	case glpiproxy.Conflict:
		return userError(model.UserErrorCodeConflict, said(failed), field...), nil
	case glpiproxy.Invalid:
		return badAt(said(failed), field...), nil
	}
	return nil, err
}

// itemRefusal is why one item of many was not written. What nobody can help by another input is told in its place
// too, since the other items stand.
func itemRefusal(err error, field ...string) *model.UserError {
	wrong, err := refusal(err, field...)
	if wrong != nil {
		return wrong
	}
	failed, known := glpiCodes[glpiproxy.KindOf(err)]
	if !known {
		failed = glpiCodes[glpiproxy.Upstream]
	}
	return userError(model.UserErrorCodeUpstreamError, sentence(failed.message), field...)
}

// said is GLPI's reason, where it gave one.
func said(failed *glpiproxy.Error) string {
	if failed.Message == "" {
		return "GLPI refused it without saying why."
	}
	return sentence(failed.Message)
}

// unchanged names what did not take its value, in GLPI's words for it.
func unchanged(failed *glpiproxy.Error) string {
	if len(failed.Fields) == 0 {
		return "GLPI accepted it, but nothing has changed."
	}
	return "GLPI accepted it, but these have not changed: " + strings.Join(failed.Fields, ", ") + "."
}

// sentence makes of an error's text what a screen can show.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[size:]
	if strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}

// allowed refuses, before GLPI is asked, what the viewer's profile can never do with items of a type.
func allowed[T glpiproxy.Item](ctx context.Context, rights ...glpiproxy.Right) (*glpiproxy.Session, error) {
	s, err := session(ctx)
	if err != nil {
		return nil, err
	}
	scope, err := s.Scope(ctx)
	if err != nil {
		return nil, err
	}
	if !glpiproxy.Has[T](scope) {
		return nil, capabilityMissing()
	}
	for _, right := range rights {
		if !glpiproxy.Can[T](scope, right) {
			return nil, forbidden()
		}
	}
	return s, nil
}
