package glpiproxy

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// outage is a GLPI with fleets that can be away, and a clock that can be moved.
type outage struct {
	*glpi
	now    time.Time
	client *Client
}

func newOutage(t *testing.T, change ...func(*Options)) *outage {
	o := &outage{glpi: newGLPI(t), now: time.Now()}
	o.fleets()
	o.sessions(map[string]string{alice: sessionBody(8, 1), bob: sessionBody(9, 1)})
	o.on("/PluginFlyvemdmFleet", recorded(t, "020-fleet-list"))
	o.client = o.glpi.client(append(change, func(options *Options) {
		options.Now, options.Timeout = func() time.Time { return o.now }, 100*time.Millisecond
	})...)
	return o
}

// read reads in all ways; the kinds of the errors, or -1.
func (o *outage) read(ctx context.Context, token string) (kinds [4]Kind) {
	s := o.client.Resume(token)
	_, one := Get[Fleet](ctx, s, 6)
	_, some := GetMany[Fleet](ctx, s, []int{6, 7})
	_, list := List[Fleet](ctx, s, ListOptions{})
	_, count := Count[Fleet](ctx, s)
	for i, err := range []error{one, some, list, count} {
		kinds[i] = -1
		if err != nil {
			kinds[i] = KindOf(err)
		}
	}
	return kinds
}

func (o *outage) goAway(handler http.HandlerFunc) {
	for _, path := range []string{
		"/getFullSession", "/PluginFlyvemdmFleet", "/PluginFlyvemdmFleet/6", "/PluginFlyvemdmFleet/7", "/getMultipleItems",
		"/search/PluginFlyvemdmFleet",
	} {
		o.on(path, handler)
	}
}

var (
	allGood = [4]Kind{-1, -1, -1, -1}
	allAway = [4]Kind{Unavailable, Unavailable, Unavailable, Unavailable}
)

func TestStaleAnswersWhileGLPIIsAway(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"unavailable": says(503, ""),
		"broken":      func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"hanging":     func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			o := newOutage(t)
			if got := o.read(t.Context(), alice); got != allGood {
				t.Fatal(got)
			}
			before := o.now
			o.goAway(handler)
			o.now = o.now.Add(5 * time.Minute) // rows and scope are old
			ctx, report := WithStaleReport(t.Context())
			if got := o.read(ctx, alice); got != allGood {
				t.Errorf("the kinds of errors: %v", got)
			}
			if since, old := report.Since(); !old || !since.Equal(before) {
				t.Errorf("reported %v, %v, want %v", since, old, before)
			}
			if n := testutil.ToFloat64(o.client.metrics.cache.WithLabelValues("stale")); n == 0 {
				t.Error("not counted")
			}
			page := must(List[Fleet](t.Context(), o.client.Resume(alice), ListOptions{}))(t)
			if len(page.Items) == 0 {
				t.Error("an empty page")
			}
			if _, err := List[Fleet](t.Context(), o.client.Resume(alice), ListOptions{Fresh: true}); err == nil {
				t.Error("asked for a fresh answer and got an old one")
			}
			o.now = before.Add(defaultStaleFor + scopeTTL)
			if got := o.read(t.Context(), alice); got == allGood {
				t.Error("kept beyond its time")
			}
		})
	}
}

func TestNoStaleAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		options func(*Options)
		between func(*outage)
		token   string
		want    [4]Kind
	}{
		"not wanted":                  {options: func(o *Options) { o.StaleFor = -1 }, want: allAway},
		"after a change":              {between: func(o *outage) { o.client.Invalidate("PluginFlyvemdmFleet") }, want: allAway},
		"after a change of one":       {between: func(o *outage) { o.client.Invalidate("PluginFlyvemdmFleet:7") }, want: [4]Kind{-1, Unavailable, Unavailable, Unavailable}},
		"after the session's end":     {between: func(o *outage) { _ = o.client.Resume(alice).End(context.Background()) }, want: allAway},
		"of another viewer":           {token: bob, want: allAway},
		"of a session never seen":     {token: "neverseenneverseen", want: allAway},
		"GLPI refuses":                {between: func(o *outage) { o.goAway(says(401, `["ERROR_RIGHT_MISSING","x"]`)) }, want: [4]Kind{Forbidden, Forbidden, Forbidden, Forbidden}},
		"GLPI says that it has ended": {between: func(o *outage) { o.goAway(says(401, `["ERROR_SESSION_TOKEN_INVALID","x"]`)) }, want: [4]Kind{Unauthenticated, Unauthenticated, Unauthenticated, Unauthenticated}},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOutage(t, func(options *Options) {
				if c.options != nil {
					c.options(options)
				}
			})
			if got := o.read(t.Context(), alice); got != allGood {
				t.Fatal(got)
			}
			o.goAway(says(503, ""))
			if c.between != nil {
				c.between(o)
			}
			o.now = o.now.Add(time.Minute)
			token := alice
			if c.token != "" {
				token = c.token
			}
			ctx, report := WithStaleReport(t.Context())
			if got := o.read(ctx, token); got != c.want {
				t.Errorf("the kinds of errors: %v, want %v", got, c.want)
			}
			if _, old := report.Since(); old && token != alice {
				t.Error("reported as old although there was no answer")
			}
		})
	}
}

// Whoever gives up gets an error, not an old answer that nobody asked GLPI to renew.
func TestGivingUpIsNoOutage(t *testing.T) {
	o := newOutage(t)
	o.read(t.Context(), alice)
	o.now = o.now.Add(time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := List[Fleet](ctx, o.client.Resume(alice), ListOptions{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
