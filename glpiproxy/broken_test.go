package glpiproxy

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"testing"
)

// brokenAnswers are what PHP, SQL and the network make of a good answer, and the kind of error that each is.
var brokenAnswers = map[string]struct {
	kind  Kind
	spoil func(good string) http.HandlerFunc
}{
	"a warning before the JSON": {Upstream, func(good string) http.HandlerFunc {
		return says(200, `<br /><b>Warning</b>: Undefined index: x in <b>/var/www/glpi/inc/a.php</b> on line <b>7</b><br />`+good)
	}},
	"200 with SQL text": {Upstream, func(string) http.HandlerFunc {
		return says(200, `SQL Error "1064": You have an error in your SQL syntax near 'Brien'`)
	}},
	"SQL text before the JSON": {Upstream, func(good string) http.HandlerFunc { return says(200, `SQL Error "1064"`+good) }},
	"a page of HTML":           {Upstream, func(string) http.HandlerFunc { return says(200, `<!DOCTYPE html><html></html>`) }},
	"an empty body":            {Upstream, func(string) http.HandlerFunc { return says(200, "") }},
	"half of the JSON":         {Upstream, func(good string) http.HandlerFunc { return says(200, good[:len(good)/2]) }},
	"JSON twice":               {Upstream, func(good string) http.HandlerFunc { return says(200, good+good) }},
	"a connection that breaks off": {Unavailable, func(good string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(len(good)+1))
			_, _ = fmt.Fprint(w, good)
			panic(http.ErrAbortHandler)
		}
	}},
}

// Nothing is concluded from an answer that is not clean JSON, whatever was asked, and none of it is kept.
func TestNothingIsConcludedFromBrokenAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		path, good string
		read       func(context.Context, *Session) error
	}{
		"an item": {"/PluginFlyvemdmFleet/6", fleetBody(6), func(ctx context.Context, s *Session) error { return second(Get[Fleet](ctx, s, 6)) }},
		"a batch": {"/getMultipleItems", "[" + fleetBody(6) + "," + fleetBody(7) + "]", func(ctx context.Context, s *Session) error { return second(GetMany[Fleet](ctx, s, []int{6, 7})) }},
		"a list":  {"/PluginFlyvemdmFleet", "[" + fleetBody(6) + "]", func(ctx context.Context, s *Session) error { return second(List[Fleet](ctx, s, ListOptions{})) }},
		"children": {"/User/5/UserEmail", `[{"id":1,"users_id":5}]`, func(ctx context.Context, s *Session) error {
			return second(Children[User, UserEmail](ctx, s, 5, ListOptions{}))
		}},
		"a search":       {"/search/PluginFlyvemdmFleet", `{"totalcount":1,"data":[{"2":6}]}`, func(ctx context.Context, s *Session) error { return second(Search[Fleet](ctx, s, Query{})) }},
		"search options": {"/listSearchOptions/PluginFlyvemdmFleet", `{"2":{"name":"ID"}}`, func(ctx context.Context, s *Session) error { return second(SearchOptions[Fleet](ctx, s)) }},
		"an inventory":   {"/getMultipleItems", `[{"id":3}]`, func(ctx context.Context, s *Session) error { return second(InventoriesOf(ctx, s, []int{3}, Devices)) }},
		"who is asking":  {"/getFullSession", sessionBody(8, 1), func(ctx context.Context, s *Session) error { return second(s.Scope(ctx)) }},
		"profiles":       {"/getMyProfiles", `{"myprofiles":[]}`, func(ctx context.Context, s *Session) error { return second(s.Profiles(ctx)) }},
		"entities":       {"/getMyEntities", `{"myentities":[]}`, func(ctx context.Context, s *Session) error { return second(s.Entities(ctx)) }},
		"the set-up":     {"/getGlpiConfig", `{"cfg_glpi":{"version":"9.3.1"}}`, func(ctx context.Context, s *Session) error { return second(s.Config(ctx)) }},
		"a sign-in":      {"/initSession", `{"session_token":"` + bob + `"}`, func(ctx context.Context, s *Session) error { return second(s.client.SignIn(ctx, "ada", "ada.pw")) }},
	} {
		for fault, broken := range brokenAnswers {
			g := newGLPI(t)
			s := g.client().Resume(alice)
			g.on(c.path, broken.spoil(c.good))
			if err := c.read(t.Context(), s); err == nil || KindOf(err) != broken.kind {
				t.Errorf("%s, %s: %v, want %v", name, fault, err, broken.kind)
			}
			g.on(c.path, says(200, c.good, "Content-Range", "0-0/1"))
			if err := c.read(t.Context(), s); err != nil {
				t.Errorf("%s, once %s is over: %v", name, fault, err)
			}
		}
	}
}
