package graph

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

func TestOnlyTheCallersMistakesAreUserErrors(t *testing.T) {
	glpi := func(kind glpiproxy.Kind, message string) error {
		return fmt.Errorf("writing: %w", &glpiproxy.Error{Kind: kind, Operation: "update", Status: 400, Message: message})
	}
	for name, c := range map[string]struct {
		err     error
		code    model.UserErrorCode // "": it stays an error
		message string
	}{
		"own bad input":      {badInput("input.id: not an id"), model.UserErrorCodeBadUserInput, "Input.id: not an id."},
		"no right":           {forbidden(), model.UserErrorCodeForbidden, "Your profile does not allow this."},
		"own not found":      {notFound(), model.UserErrorCodeNotFound, "Not found."},
		"own upstream":       {&coded{CodeUpstreamError, "x"}, "", ""},
		"right not held":     {&glpiproxy.Error{Kind: glpiproxy.Forbidden}, model.UserErrorCodeForbidden, "Your profile does not allow this."},
		"foreign item":       {glpi(glpiproxy.Forbidden, "You don't have permission"), model.UserErrorCodeNotFound, "There is no such object."},
		"missing item":       {glpi(glpiproxy.NotFound, "Item not found"), model.UserErrorCodeNotFound, "There is no such object."},
		"refused":            {glpi(glpiproxy.Invalid, "élu déjà."), model.UserErrorCodeBadUserInput, "Élu déjà."},
		"refused in silence": {glpi(glpiproxy.Invalid, ""), model.UserErrorCodeBadUserInput, "GLPI refused it without saying why."},
		"contradiction":      {glpi(glpiproxy.Conflict, "the name is taken"), model.UserErrorCodeConflict, "The name is taken."},
		"too often":          {glpi(glpiproxy.Throttled, ""), model.UserErrorCodeRateLimited, "GLPI was asked for this too often of late: wait a while."},
		"no effect":          {glpi(glpiproxy.Unchanged, ""), model.UserErrorCodeUnchanged, "GLPI accepted it, but nothing has changed."},
		"no effect on these": {&glpiproxy.Error{Kind: glpiproxy.Unchanged, Fields: []string{"phone", "mobile"}}, model.UserErrorCodeUnchanged, "GLPI accepted it, but these have not changed: phone, mobile."},
		"plugin missing":     {glpi(glpiproxy.Unsupported, ""), "", ""},
		"session ended":      {glpi(glpiproxy.Unauthenticated, ""), "", ""},
		"GLPI is down":       {glpi(glpiproxy.Unavailable, ""), "", ""},
		"GLPI is slow":       {glpi(glpiproxy.Timeout, ""), "", ""},
		"nonsense":           {glpi(glpiproxy.Upstream, ""), "", ""},
		"API off":            {glpi(glpiproxy.Misconfigured, ""), "", ""},
		"given up":           {context.Canceled, "", ""},
		"nobody foresaw it":  {errors.New("x"), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			wrong, err := refusal(c.err, "input", "id")
			if c.code == "" {
				if wrong != nil || !errors.Is(err, c.err) {
					t.Errorf("got %+v, %v; want the error alone", wrong, err)
				}
				return
			}
			if err != nil || wrong == nil || wrong.Code != c.code || wrong.Message != c.message || !slices.Equal(wrong.Field, []string{"input", "id"}) {
				t.Errorf("got %+v, %v; want %s %q", wrong, err, c.code, c.message)
			}
		})
	}
}

func TestAnIDInAnInputIsOfTheTypeWanted(t *testing.T) {
	if id, wrong := inputID("Fleet", model.GlobalID("Fleet", 7), "input", "id"); id != 7 || wrong != nil {
		t.Errorf("got %d, %v", id, wrong)
	}
	for _, refused := range []string{"", "7", model.GlobalID("Agent", 7), model.GlobalID("Fleet", 0), model.GlobalID("Fleet", -1)} {
		if _, wrong := inputID("Fleet", refused, "input", "id"); wrong == nil || wrong.Code != model.UserErrorCodeBadUserInput {
			t.Errorf("%q: got %v", refused, wrong)
		}
	}
}
