package graph

import (
	"errors"
	"testing"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

func TestWhatGLPIRefusesIsTheCallersMistakeOrNobodys(t *testing.T) {
	for kind, code := range map[glpiproxy.Kind]model.UserErrorCode{
		glpiproxy.NotFound: model.UserErrorCodeNotFound, glpiproxy.Forbidden: model.UserErrorCodeForbidden,
		glpiproxy.Conflict: model.UserErrorCodeConflict, glpiproxy.Invalid: model.UserErrorCodeBadUserInput,
		glpiproxy.Upstream: "", glpiproxy.Unavailable: "", glpiproxy.Timeout: "", glpiproxy.Unauthenticated: "",
	} {
		wrong, err := refusal(&glpiproxy.Error{Kind: kind}, "input", "name")
		switch {
		case code == "" && (wrong != nil || err == nil):
			t.Errorf("%s is told as the caller's mistake %v", kind, wrong)
		case code != "" && (err != nil || wrong == nil || wrong.Code != code || wrong.Message == "" || len(wrong.Field) != 2):
			t.Errorf("%s: got %+v, %v", kind, wrong, err)
		}
	}
	if wrong, err := refusal(errors.New("of our own")); wrong != nil || err == nil {
		t.Errorf("an unforeseen error is told as the caller's mistake %v", wrong)
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
