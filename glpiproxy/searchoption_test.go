package glpiproxy_test

import (
	"slices"
	"testing"

	"fleetgate/glpiproxy"
)

func TestSearchOptionsAreSharedByLanguage(t *testing.T) {
	d := newDemo(t, 2)
	options := must(glpiproxy.SearchOptions[glpiproxy.Agent](t.Context(), d.acme))(t)
	at := slices.IndexFunc(options, func(o glpiproxy.SearchOption) bool { return o.ID == 2 })
	if at < 0 || options[at].Field != "id" || options[at].Table != "glpi_plugin_flyvemdm_agents" || len(options[at].SearchTypes) == 0 {
		t.Fatalf("%+v", options)
	}
	if !slices.IsSortedFunc(options, func(a, b glpiproxy.SearchOption) int { return a.ID - b.ID }) {
		t.Error("not in order")
	}
	d.server.Close()
	if again, err := glpiproxy.SearchOptions[glpiproxy.Agent](t.Context(), d.acme); err != nil || len(again) != len(options) {
		t.Errorf("not kept: %v", err)
	}
	wantKind(t, second(glpiproxy.SearchOptions[glpiproxy.Geolocation](t.Context(), d.acme)), glpiproxy.Invalid)
}

func second[V any](_ V, err error) error { return err }
