package graphqlws_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/gorilla/websocket"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"fleetgate/internal/delivery"
	"fleetgate/internal/graphqlws"
)

// group runs every subscription together with all others but those of a query, count, that it leaves alone.
type group struct {
	mu      sync.Mutex
	members map[delivery.Receiver]struct{}
}

func (g *group) share(_ context.Context, _ graphql.GraphExecutor, op *graphql.OperationContext, to delivery.Receiver) (func(), bool) {
	if strings.Contains(op.RawQuery, "count") {
		return nil, false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.members == nil {
		g.members = map[delivery.Receiver]struct{}{}
	}
	g.members[to] = struct{}{}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.members, to)
	}, true
}

// each calls f for every member and counts those for which it holds.
func (g *group) each(f func(delivery.Receiver) bool) (held int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for member := range g.members {
		if f(member) {
			held++
		}
	}
	return held
}

func (g *group) clear() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.members)
}

func (g *group) size() int { return g.each(func(delivery.Receiver) bool { return true }) }

func (g *group) deliver(results ...*delivery.Result) int {
	return g.each(func(r delivery.Receiver) bool { return r.Deliver(results...) })
}

func result(n int) *delivery.Result {
	return &delivery.Result{JSON: fmt.Appendf(nil, `{"data":{"forever":%d}}`, n), Cursor: fmt.Sprint(n)}
}

const forever = `subscription{forever}`

func TestSharedSubscriptions(t *testing.T) {
	forBoth(t, func(t *testing.T, protocol string) {
		g := &group{}
		_, address := serve(t, graphqlws.Options{Share: g.share, MaxOperations: 3})
		first, second := connect(t, address, protocol), connect(t, address, protocol)
		first.subscribe(`a "quoted" é`, forever)
		first.subscribe("b", forever)
		second.subscribe("a", forever)
		waitFor(t, func() bool { return g.size() == 3 })
		if n := g.deliver(result(1), result(2)); n != 3 {
			t.Errorf("%d took the results, want 3", n)
		}
		for _, n := range []int{1, 2} {
			second.wants(fmt.Sprintf(`{"type":"next","id":"a","payload":{"data":{"forever":%d}}}`, n))
		}
		got := map[string]int{}
		for range 4 {
			got[first.read()]++
		}
		next := map[bool]string{true: "data", false: "next"}[first.legacy]
		for _, id := range []string{`"a \"quoted\" é"`, `"b"`} {
			for n := 1; n <= 2; n++ {
				want := fmt.Sprintf(`{"type":%q,"id":%s,"payload":{"data":{"forever":%d}}}`, next, id, n)
				if got[want] != 1 {
					t.Errorf("%s came %d times in %v", want, got[want], got)
				}
			}
		}

		// What is not taken is run alone, on the same socket.
		first.subscribe("c", `subscription{count(to:1)}`)
		first.wants(`{"type":"next","id":"c","payload":{"data":{"count":1}}}`)
		first.wants(`{"type":"complete","id":"c"}`)

		// Who unsubscribes leaves, and gets nothing more.
		first.send(`{"type":"complete","id":"b"}`)
		if first.legacy {
			first.wants(`{"type":"complete","id":"b"}`)
		}
		waitFor(t, func() bool { return g.size() == 2 })
		g.deliver(result(3))
		if got := first.read(); !strings.Contains(got, "quoted") {
			t.Errorf("got %s", got)
		}
		second.wants(`{"type":"next","id":"a","payload":{"data":{"forever":3}}}`)

		// Shared subscriptions count as operations until they end.
		first.subscribe("b", forever)
		first.subscribe("c", forever)
		first.subscribe("d", forever)
		if got := first.read(); !strings.Contains(got, "RATE_LIMITED") {
			t.Errorf("the fourth operation got %s", got)
		}
		waitFor(t, func() bool { return g.size() == 4 })

		// Who goes has left all; who ends them tells the clients.
		first.ws.Close()
		waitFor(t, func() bool { return g.size() == 1 })
		g.each(func(r delivery.Receiver) bool { r.End(nil); return true })
		second.wants(`{"type":"complete","id":"a"}`)
		if n := g.deliver(result(4)); n != 0 {
			t.Error("a subscription that has ended takes results")
		}
		g.clear()
		for range 4 { // and its place is free again
			second.subscribe("a", forever)
			waitFor(t, func() bool { return g.size() == 1 })
			g.each(func(r delivery.Receiver) bool { r.End(gqlerror.List{{Message: "no more"}}); return true })
			if got := second.read(); !strings.Contains(got, `"type":"error","id":"a"`) || !strings.Contains(got, "no more") {
				t.Errorf("got %s", got)
			}
			g.clear()
		}
	})
}

func TestASharedSubscriptionHasNoGoroutine(t *testing.T) {
	g := &group{}
	_, address := serve(t, graphqlws.Options{Share: g.share})
	const connections, each = 20, 10
	before := runtime.NumGoroutine()
	for range connections {
		c := connect(t, address, modern)
		for id := range each {
			c.subscribe(fmt.Sprint(id), forever)
		}
	}
	waitFor(t, func() bool { return g.size() == connections*each })
	g.deliver(result(1))
	waitFor(t, func() bool { // one that reads for each connection, and one for the visits to all
		return runtime.NumGoroutine() <= before+connections+1
	})
}

func TestASharedSubscriptionEndsWithTheSignIn(t *testing.T) {
	g := &group{}
	var end context.CancelCauseFunc
	_, address := serve(t, graphqlws.Options{
		Share: g.share,
		Init: func(ctx context.Context, _ map[string]any) (context.Context, error) {
			ctx, end = context.WithCancelCause(ctx)
			return ctx, nil
		},
	})
	c := connect(t, address, modern)
	c.subscribe("a", forever)
	waitFor(t, func() bool { return g.size() == 1 })
	end(&graphqlws.CloseError{Code: graphqlws.CloseForbidden, Reason: "session ended"})
	if g.deliver(result(1)) != 0 {
		t.Error("a result was taken after the sign-in had ended")
	}
	if got := messagesUntilClose(t, c, 4403); len(got) != 0 {
		t.Errorf("got %s after the sign-in had ended", got)
	}
	waitFor(t, func() bool { return g.size() == 0 })
}

func TestASlowReader(t *testing.T) {
	flood := func(g *group) { // until the reader is behind by far
		padding := strings.Repeat("x", 100<<10)
		for n := 1; n <= 200; n++ {
			g.deliver(&delivery.Result{
				JSON: fmt.Appendf(nil, `{"data":{"forever":%d,"padding":%q}}`, n, padding), Cursor: fmt.Sprint(n)})
		}
	}
	subscribed := func(t *testing.T, o delivery.Options, protocol string) (*group, *client) {
		g := &group{}
		_, address := serveWith(t, o, graphqlws.Options{Share: g.share})
		c := connect(t, address, protocol)
		c.subscribe("a", forever)
		waitFor(t, func() bool { return g.size() == 1 })
		return g, c
	}
	forBoth(t, func(t *testing.T, protocol string) {
		g, c := subscribed(t, delivery.Options{}, protocol)
		flood(g)
		for before := 0; ; before++ {
			got := c.read()
			if !strings.Contains(got, fmt.Sprintf(`"forever":%d,`, before+1)) {
				if want := fmt.Sprintf(`"extensions":{"after":"%d","code":"RESYNC"}`, before); !strings.Contains(got, want) {
					t.Errorf("after %d came %.50s...%s", before, got, got[max(len(got)-80, 0):])
				}
				break
			}
		}
		g, c = subscribed(t, delivery.Options{SlowReader: delivery.CloseAtOnce}, protocol)
		flood(g)
		if closed := c.wantsClose(graphqlws.CloseTooSlow); closed.Text == "" {
			t.Error("no reason was given")
		}
	})
}

// Control frames take their turn: a client that pings while much is sent gets whole frames.
func TestPingsAmongResults(t *testing.T) {
	g := &group{}
	_, address := serve(t, graphqlws.Options{Share: g.share})
	c := connect(t, address, modern)
	c.subscribe("a", forever)
	waitFor(t, func() bool { return g.size() == 1 })
	const total = 2000
	pongs := 0
	c.ws.SetPongHandler(func(string) error { pongs++; return nil })
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() {
		for n := 1; n <= total; n++ {
			g.deliver(result(n))
			time.Sleep(time.Microsecond)
		}
	})
	for n := 1; n <= total; n++ {
		if n%10 == 0 {
			_ = c.ws.WriteControl(websocket.PingMessage, []byte("?"), time.Now().Add(time.Second))
		}
		c.wants(fmt.Sprintf(`{"type":"next","id":"a","payload":{"data":{"forever":%d}}}`, n))
	}
	c.subscribe("b", `{hello}`)
	c.wants(`{"type":"next","id":"b","payload":{"data":{"hello":"world"}}}`)
	if pongs == 0 {
		t.Error("no ping was answered")
	}
}
