package delivery

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Connection is one that Connections look after.
type Connection interface {
	// Visit is called every few seconds, to send a sign of life and to miss the client's. It must not wait.
	Visit(now time.Time)
	// Drain tells the client that the gateway is going, and ends.
	Drain()
	// Cut closes the connection at once.
	Cut()
}

// Connections are those that are open for subscriptions, over whichever protocol: they are limited together, visited
// by one goroutine, which is there while any are, and drained together.
type Connections struct {
	o       Options
	metrics metrics
	buffers sync.Pool // of *buffer

	mu       sync.Mutex
	total    int            // from before their handshake to their very end
	byClient map[string]int // the same by IP address
	open     [rounds]map[Connection]struct{}
	next     int // where the next connection goes
	visitor  chan struct{}
	draining bool
	drained  chan struct{} // closed once draining and empty
}

// rounds is into how many groups the connections are divided that are visited one after the other: signs of life
// to all at once would be a burst.
const rounds = 16

// New makes Connections. Its error is that of registering the metrics.
func New(o Options) (*Connections, error) {
	o.setDefaults()
	c := &Connections{
		o:        o,
		metrics:  newMetrics(),
		buffers:  sync.Pool{New: func() any { return &buffer{} }},
		byClient: map[string]int{},
		drained:  make(chan struct{}),
	}
	for round := range c.open {
		c.open[round] = map[Connection]struct{}{}
	}
	if err := c.metrics.register(o.Registerer); err != nil {
		return nil, fmt.Errorf("registering the metrics of deliveries: %w", err)
	}
	return c, nil
}

// Options are those in force, with the defaults filled in.
func (c *Connections) Options() Options { return c.o }

// Place is the right to one connection.
type Place struct {
	shared *Connections
	client string
	round  int
}

// Admit gives a place to a connection of a client, or refuses it with an answer: 429 for one client's limit and 503 for
// everybody's.
func (c *Connections) Admit(w http.ResponseWriter, r *http.Request) (*Place, bool) {
	place, status := c.place(ClientAddress(r))
	if status != 0 {
		w.Header().Set("Retry-After", "5")
		http.Error(w, "too many connections", status)
		return nil, false
	}
	return place, true
}

func (c *Connections) place(client string) (place *Place, status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.draining || c.total >= c.o.MaxConnections:
		return nil, http.StatusServiceUnavailable
	case c.byClient[client] >= c.o.MaxConnectionsPerClient:
		return nil, http.StatusTooManyRequests
	}
	c.total++
	c.byClient[client]++
	c.next = (c.next + 1) % rounds
	if c.visitor == nil {
		c.visitor = make(chan struct{})
		go c.visit(c.visitor)
	}
	return &Place{c, client, c.next}, 0
}

// Leave gives the place back: nothing of the connection is left.
func (p *Place) Leave() {
	c := p.shared
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total--
	if c.byClient[p.client]--; c.byClient[p.client] == 0 {
		delete(c.byClient, p.client)
	}
	if c.total == 0 {
		close(c.visitor)
		c.visitor = nil
	}
	c.noteDrained()
}

// Track has a connection visited and drained from now on.
func (p *Place) Track(connection Connection) {
	c := p.shared
	c.mu.Lock()
	c.open[p.round][connection] = struct{}{}
	draining := c.draining
	c.mu.Unlock()
	if draining {
		connection.Drain()
	}
}

// Untrack ends what Track began.
func (p *Place) Untrack(connection Connection) {
	p.shared.mu.Lock()
	defer p.shared.mu.Unlock()
	delete(p.shared.open[p.round], connection)
}

// visit goes round the connections until told that none is left.
func (c *Connections) visit(none <-chan struct{}) {
	ticks := time.NewTicker(max(min(c.o.PingInterval, c.o.PongTimeout)/2/rounds, time.Millisecond))
	defer ticks.Stop()
	for round := 0; ; round = (round + 1) % rounds {
		select {
		case <-none:
			return
		case now := <-ticks.C:
			for _, connection := range c.in(round) {
				connection.Visit(now)
			}
		}
	}
}

// in are the connections of one round.
func (c *Connections) in(round int) []Connection {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]Connection, 0, len(c.open[round]))
	for connection := range c.open[round] {
		list = append(list, connection)
	}
	return list
}

// Shutdown drains all connections, refuses new ones, and waits until nothing is left of them. When ctx is done first
// it cuts what is left and returns the context's error.
func (c *Connections) Shutdown(ctx context.Context) error {
	c.mu.Lock()
	c.draining = true
	c.noteDrained()
	c.mu.Unlock()
	for round := range rounds {
		for _, connection := range c.in(round) {
			connection.Drain()
		}
	}
	select {
	case <-c.drained:
		return nil
	case <-ctx.Done():
	}
	for round := range rounds {
		for _, connection := range c.in(round) {
			connection.Cut()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Errorf("closing connections: %d left: %w", c.total, ctx.Err())
}

// noteDrained tells Shutdown once that nothing is left. The lock is held.
func (c *Connections) noteDrained() {
	if !c.draining || c.total > 0 {
		return
	}
	select {
	case <-c.drained:
	default:
		close(c.drained)
	}
}

// ClientAddress is the IP address that a request comes from, of IPv6 the network ("2001:db8::/64"): whoever has one of
// its addresses has them all. Headers are not read here, since they can be forged: the address of a client behind a proxy
// that is trusted has taken the proxy's place in the request before.
func ClientAddress(r *http.Request) string {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	address := from.Addr().Unmap().WithZone("")
	if address.Is4() || address.IsLoopback() {
		return address.String()
	}
	network, _ := address.Prefix(64) // fails only for more bits than an address has
	return network.String()
}
