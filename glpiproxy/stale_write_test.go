package glpiproxy_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"fleetgate/glpiproxy"
)

// GLPI goes away with a write that nobody knows the end of: what was known before it is no answer any more, while
// what the write can't have touched still is.
func TestNoStaleAnswersAfterOnesOwnWrite(t *testing.T) {
	d := newDemo(t, 2)
	fleet := managed(t, d.acme, d.acmeID)
	var away atomic.Bool
	s := behind(t, d, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			d.server.Config.Handler.ServeHTTP(httptest.NewRecorder(), r)
			away.Store(true)
		}
		if away.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, "<html>")
		}
		return away.Load()
	})
	read := func() (fleets, policies error) {
		_, fleets = glpiproxy.List[glpiproxy.Fleet](t.Context(), s, glpiproxy.ListOptions{})
		_, policies = glpiproxy.List[glpiproxy.Policy](t.Context(), s, glpiproxy.ListOptions{})
		return fleets, policies
	}
	if fleets, policies := read(); fleets != nil || policies != nil {
		t.Fatal(fleets, policies)
	}
	err := glpiproxy.UpdateItem(t.Context(), s, fleet.ID, glpiproxy.FleetChange{Name: ptr("after the write")})
	wantKind(t, err, glpiproxy.Unavailable)
	fleets, policies := read()
	wantKind(t, fleets, glpiproxy.Unavailable)
	if policies != nil {
		t.Error(policies)
	}
}
