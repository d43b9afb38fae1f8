package glpiproxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
)

func TestEntitiesThatAProfileReaches(t *testing.T) {
	g := newGLPI(t)
	g.on("/getMyEntities", recorded(t, "full-079-getMyEntities-recursive"))
	s := g.client().Resume(alice)
	want := "[{1 Root entity > ACME} {2 Root entity > Globex} {3 Root entity > ACME > ACME Paris} {4 Root entity > ACME > ACME Lyon} {0 Root entity}]"
	if got := fmt.Sprint(must(s.Entities(context.Background()))(t)); got != want {
		t.Errorf("got %s", got)
	}
	if query := g.requests("/getMyEntities")[0].URL.RawQuery; query != "is_recursive=true" {
		t.Errorf("asked for %q", query)
	}
	for body, want := range map[string]string{
		`{"myentities":[]}`: "[]",
		`{"myentities":{"0":{"id":"3","name":"A &gt; R&amp;D"}}}`: "[{3 A > R&D}]",
	} {
		g.on("/getMyEntities", says(200, body))
		if got := fmt.Sprint(must(s.Entities(context.Background()))(t)); got != want {
			t.Errorf("%s: got %s", body, got)
		}
	}
	for _, body := range []string{``, `[]`, `{}`, `{"myentities":7}`, `{"myentities":[7]}`} {
		g.on("/getMyEntities", says(200, body))
		_, err := s.Entities(context.Background())
		wantKind(t, err, Upstream)
	}
}

// No entity means all of them; a zero would mean the root entity to GLPI on PHP 8.
func TestSwitchToAllEntitiesNamesNone(t *testing.T) {
	g := newGLPI(t)
	var sent string
	g.on("/changeActiveEntities", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = string(body)
		says(200, "true")(w, r)
	})
	if err := g.client().Resume(alice).SwitchToAllEntities(context.Background()); err != nil || sent != `{"is_recursive":false}` {
		t.Errorf("sent %s: %v", sent, err)
	}
}
