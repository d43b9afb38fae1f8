package model_test

import (
	"encoding/base64"
	"testing"

	"fleetgate/graph/model"
)

func TestGlobalIDsComeBackAsTheyWere(t *testing.T) {
	for _, c := range []struct {
		typename string
		id       int
	}{{"Agent", 1}, {"Fleet", 2147483647}, {"Entity", 0}} {
		typename, id, err := model.ParseGlobalID(model.GlobalID(c.typename, c.id))
		if err != nil || typename != c.typename || id != c.id {
			t.Errorf("%s %d came back as %s %d, %v", c.typename, c.id, typename, id, err)
		}
	}
}

func TestWhatIsNoGlobalIDIsRefused(t *testing.T) {
	encode := base64.RawURLEncoding.EncodeToString
	for _, bad := range []string{
		"", "17", "%%%", encode([]byte("Agent")), encode([]byte("Agent:")), encode([]byte(":17")), encode([]byte("Agent:0")),
		encode([]byte("Agent:-1")), encode([]byte("Agent:abc")), encode([]byte("Agent:+7")), encode([]byte("Agent:07")),
		encode([]byte("Agent:1.5")), encode([]byte("Agent:99999999999999999999")), encode([]byte("Agent:17")) + "=",
	} {
		if typename, id, err := model.ParseGlobalID(bad); err == nil {
			t.Errorf("%q was taken for %s %d", bad, typename, id)
		}
	}
}
