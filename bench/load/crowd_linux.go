package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// Crowd is many subscribers. One goroutine reads for all of them.
type Crowd struct {
	poll     int
	stopped  atomic.Bool
	reading  sync.WaitGroup
	received atomic.Int64 // events, by all

	mu      sync.Mutex // held while something is read
	members map[int32]*member
	failure error
}

// member is one subscriber.
type member struct {
	wire  *wire
	group *Group
	got   int // events, and with that the number of the next one
}

// Group are those of a crowd who have asked for the same and may see the same, and so must get the same, in the same
// order: each event's number is read from its latitude, in millionths of a degree.
type Group struct {
	Protocol     Protocol
	Subscription Subscription

	expected [][]byte // each event as it came first
	first    int      // number of the first event
}

// NewCrowd makes an empty crowd. Close must be called.
func NewCrowd() (*Crowd, error) {
	poll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("opening epoll: %w", err)
	}
	c := &Crowd{poll: poll, members: map[int32]*member{}}
	c.reading.Go(c.read)
	return c, nil
}

// Close disconnects everybody.
func (c *Crowd) Close() {
	c.stopped.Store(true)
	c.reading.Wait()
	for _, m := range c.members {
		m.wire.close()
	}
	_ = syscall.Close(c.poll)
}

// Size is how many subscribers there are.
func (c *Crowd) Size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.members)
}

// dialers is how many subscribers connect at a time.
const dialers = 8

// Join adds subscribers to a group; who says what each of them sends as its authorization.
func (c *Crowd) Join(ctx context.Context, server netip.AddrPort, group *Group, number int, who func(i int) string) error {
	joining, ctx := errgroup.WithContext(ctx)
	joining.SetLimit(dialers)
	before := c.Size()
	for i := range number {
		joining.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			asked := group.Subscription
			asked.Authorization = who(before + i)
			w, err := dial(server, before+i)
			if err != nil {
				return err
			}
			if err := group.Protocol.ask(w, server.String(), asked); err != nil {
				w.close()
				return fmt.Errorf("subscriber %d over %s: %w", before+i, group.Protocol.Name, err)
			}
			return c.add(&member{wire: w, group: group})
		})
	}
	return joining.Wait()
}

func (c *Crowd) add(m *member) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	fd := int32(m.wire.fd)
	c.members[fd] = m
	if err := syscall.SetNonblock(m.wire.fd, true); err != nil {
		return err
	}
	return syscall.EpollCtl(c.poll, syscall.EPOLL_CTL_ADD, m.wire.fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: fd})
}

// read reads whatever comes until the crowd is closed.
func (c *Crowd) read() {
	const pauseMs = 50 // to notice that the crowd is closed
	ready := make([]syscall.EpollEvent, 512)
	buffer := make([]byte, 256<<10)
	for !c.stopped.Load() {
		n, err := syscall.EpollWait(c.poll, ready, pauseMs)
		if err != nil {
			n = 0 // interrupted
		}
		c.mu.Lock()
		for _, event := range ready[:n] {
			m := c.members[event.Fd]
			if err := c.readFrom(m, buffer); err != nil {
				_ = syscall.EpollCtl(c.poll, syscall.EPOLL_CTL_DEL, m.wire.fd, nil)
				c.failure = errors.Join(c.failure, err)
			}
		}
		c.mu.Unlock()
	}
}

func (c *Crowd) readFrom(m *member, buffer []byte) error {
	n, err := syscall.Read(m.wire.fd, buffer)
	switch {
	case errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR):
		return nil
	case err != nil:
		return fmt.Errorf("reading from %s: %w", m.group.Protocol.Name, err)
	case n == 0:
		return fmt.Errorf("the server hung up on a subscriber over %s", m.group.Protocol.Name)
	}
	stream := buffer[:n]
	if len(m.wire.read) > 0 {
		stream = append(m.wire.read, stream...)
	}
	rest, err := c.take(m, stream)
	m.wire.read = nil
	if len(rest) > 0 {
		m.wire.read = bytes.Clone(rest)
	}
	return err
}

// take counts and checks the messages of a stream.
func (c *Crowd) take(m *member, stream []byte) (rest []byte, err error) {
	for {
		message, used := m.group.Protocol.next(stream)
		if used == 0 {
			return stream, nil
		}
		stream = stream[used:]
		switch message.opcode {
		case opPing:
			err = m.wire.write(clientFrame(opPong, message.payload))
		case opClose:
			err = fmt.Errorf("the server closed a socket: %q", message.payload)
		default:
			err = c.check(m, message.payload)
		}
		if err != nil {
			return nil, err
		}
	}
}

var (
	numberMark = []byte(`"latitude":`)
	errorMark  = []byte(`"errors"`)
)

// check holds an event against what the group got before. Equal bytes are right; others may be, where a server gives
// each subscriber a cursor of its own, say, and are read.
func (c *Crowd) check(m *member, message []byte) error {
	g := m.group
	if m.got < len(g.expected) && bytes.Equal(message, g.expected[m.got]) {
		m.got++
		c.received.Add(1)
		return nil
	}
	mark := bytes.Index(message, numberMark)
	if mark < 0 {
		if bytes.Contains(message, errorMark) {
			return fmt.Errorf("a subscriber over %s got %s", g.Protocol.Name, message)
		}
		return nil // a sign of life
	}
	number, err := eventNumber(message[mark+len(numberMark):])
	if err != nil {
		return err
	}
	if len(g.expected) == 0 {
		g.first = number
	}
	if number != g.first+m.got {
		return fmt.Errorf("a subscriber over %s got event %d, not %d", g.Protocol.Name, number, g.first+m.got)
	}
	if m.got == len(g.expected) {
		if payload := body(message); !json.Valid(payload) {
			return fmt.Errorf("not JSON: %s", payload)
		}
		g.expected = append(g.expected, bytes.Clone(message))
	}
	m.got++
	c.received.Add(1)
	return nil
}

// body is the JSON in a message: what is between its outermost braces.
func body(message []byte) []byte {
	from, to := bytes.IndexByte(message, '{'), bytes.LastIndexByte(message, '}')
	if from < 0 || to < from {
		return nil
	}
	return message[from : to+1]
}

func eventNumber(text []byte) (int, error) {
	end := bytes.IndexAny(text, ",}")
	if end < 0 {
		return 0, fmt.Errorf("no latitude: %q", text)
	}
	latitude, err := strconv.ParseFloat(string(bytes.TrimSpace(text[:end])), 64)
	return int(latitude*1e6 + 0.5), err
}

// Forget starts every count anew, so that groups may begin with the next event.
func (c *Crowd) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.received.Store(0)
	for _, m := range c.members {
		m.got, m.group.expected = 0, nil
	}
}

// Received is how many events all of them together got since Forget.
func (c *Crowd) Received() int64 { return c.received.Load() }

// Await waits until everybody together got a number of events. The error is the first thing that went wrong, or that
// not enough came in time.
func (c *Crowd) Await(ctx context.Context, events int64, limit time.Duration) error {
	for deadline := time.Now().Add(limit); ; {
		if c.received.Load() >= events {
			break
		}
		if err := c.failed(); err != nil {
			return err
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return fmt.Errorf("%d of %d events came", c.received.Load(), events)
		}
		time.Sleep(200 * time.Microsecond)
	}
	return c.failed()
}

// Reaches waits until everybody together got a number of events, or none came for a while, and says which.
func (c *Crowd) Reaches(ctx context.Context, events int64, quiet time.Duration) (bool, error) {
	last, since := c.received.Load(), time.Now()
	for {
		got := c.received.Load()
		if err := c.failed(); err != nil || got >= events {
			return got >= events, err
		}
		if got != last {
			last, since = got, time.Now()
		}
		if ctx.Err() != nil || time.Since(since) > quiet {
			return false, ctx.Err()
		}
		time.Sleep(time.Millisecond)
	}
}

func (c *Crowd) failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failure
}

// Each says whether every member of a group got exactly a number of events since Forget.
func (c *Crowd) Each(group *Group, events int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.members {
		if m.group == group && m.got != events {
			return fmt.Errorf("a subscriber over %s got %d events, not %d", group.Protocol.Name, m.got, events)
		}
	}
	return c.failure
}
