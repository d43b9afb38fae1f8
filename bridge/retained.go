package bridge

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/paho"
)

const (
	// retainedQuiet is the silence after which a broker has handed out what it keeps: MQTT has no word for the end
	// of it. Brokers hand it out at once, most of them before they answer the next request.
	retainedQuiet = 50 * time.Millisecond
	// mostRetained bounds how many topics are looked at below one device's.
	mostRetained = 2000
)

// collection is what a broker keeps below some roots, as it comes in.
type collection struct {
	roots []string
	came  chan struct{} // something more did

	mu     sync.Mutex
	topics []string
}

// collections are those under way.
type collections struct {
	mu   sync.Mutex
	open []*collection
}

func (c *collections) begin(roots []string) *collection {
	c.mu.Lock()
	defer c.mu.Unlock()
	begun := &collection{roots: roots, came: make(chan struct{}, 1)}
	c.open = append(c.open, begun)
	return begun
}

func (c *collections) end(ended *collection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = slices.DeleteFunc(c.open, func(o *collection) bool { return o == ended })
}

// take notes a retained message where it is waited for.
func (c *collections) take(topic string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, open := range c.open {
		if within(open.roots, topic) {
			open.add(topic)
		}
	}
}

func (c *collection) add(topic string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.topics) < mostRetained && !slices.Contains(c.topics, topic) {
		c.topics = append(c.topics, topic)
	}
	select {
	case c.came <- struct{}{}:
	default:
	}
}

// sorted waits for the end of what comes, and gives its topics.
func (c *collection) sorted(ctx context.Context) ([]string, error) {
	for {
		select {
		case <-c.came:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: the broker does not come to an end", ErrNotSent)
		case <-time.After(retainedQuiet):
			c.mu.Lock()
			defer c.mu.Unlock()
			return slices.Sorted(slices.Values(c.topics)), nil
		}
	}
}

// retained reads on which topics below a device's roots the broker keeps commands and policies. It subscribes to
// them for a moment: a command that is given meanwhile is heard twice. What the account may not read is not seen. The
// error is an ErrNotSent.
func (l *link) retained(ctx context.Context, roots []string) ([]string, error) {
	connection, _, err := l.outlet()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, publishTime)
	defer cancel()
	collection := l.collections.begin(roots)
	defer l.collections.end(collection)
	var wanted paho.Subscribe
	var filters []string
	for _, root := range roots {
		for _, section := range []string{commandSection, policySection} {
			filters = append(filters, root+"/"+section+"/#")
			wanted.Subscriptions = append(wanted.Subscriptions, paho.SubscribeOptions{Topic: filters[len(filters)-1]})
		}
	}
	if _, err := connection.Subscribe(ctx, &wanted); err != nil {
		return nil, fmt.Errorf("%w: what the broker keeps can't be read: %s", ErrNotSent, describe(err))
	}
	if _, err := connection.Unsubscribe(ctx, &paho.Unsubscribe{Topics: filters}); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrNotSent, describe(err))
	}
	return collection.sorted(ctx)
}

// flush waits until the broker has taken in what was sent. It answers no message of QoS 0, but it takes the packets of
// a connection in their order, and answers the end of a subscription, also of one that there never was.
func (l *link) flush(ctx context.Context) error {
	connection, qos, err := l.outlet()
	if err != nil || qos > 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, publishTime)
	defer cancel()
	if _, err = connection.Unsubscribe(ctx, &paho.Unsubscribe{Topics: []string{"fleetgate/none"}}); err != nil {
		return fmt.Errorf("%w: the broker does not answer", ErrNotSent)
	}
	return nil
}
