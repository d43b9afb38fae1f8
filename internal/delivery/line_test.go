package delivery_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"fleetgate/internal/delivery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lines frames results as lines.
type lines struct{}

func (lines) AppendResult(b, json []byte, _ string) []byte { return append(append(b, json...), '\n') }

// owner notes what its line is lost for.
type owner struct{ lost chan error }

func (o *owner) Lost(err error) {
	select {
	case o.lost <- err:
	default:
	}
}

// sending is a line with its other end.
type sending struct {
	delivery.Line
	owner
	reader net.Conn
}

// open connects a line over loopback; wrapped hides that it is TCP.
func open(t *testing.T, o delivery.Options, wrapped bool) *sending {
	t.Helper()
	connections, err := delivery.New(o)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	reader, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = reader.(*net.TCPConn).SetReadBuffer(64 << 10)
	_ = conn.(*net.TCPConn).SetWriteBuffer(64 << 10)
	if wrapped {
		conn = struct{ net.Conn }{conn}
	}
	s := &sending{owner: owner{make(chan error, 1)}, reader: reader}
	s.Line.Open(connections, conn, s)
	t.Cleanup(func() {
		reader.Close()
		s.Cut()
		s.Wait()
	})
	return s
}

func (s *sending) stream() *delivery.Stream {
	stream := &delivery.Stream{}
	stream.Open(&s.Line, lines{})
	return stream
}

// response is a result as the reader sees it.
type response struct {
	Data struct {
		N      int
		Device string
	}
	Extensions *struct {
		Code  string
		After *string
	}
}

func numbered(n int, device string, padding int) *delivery.Result {
	return &delivery.Result{
		JSON:   fmt.Appendf(nil, `{"data":{"n":%d,"device":%q,"padding":%q}}`, n, device, strings.Repeat("x", padding)),
		Latest: device, Cursor: fmt.Sprint(n),
	}
}

// read takes responses until one satisfies.
func (s *sending) read(t *testing.T, last func(response) bool) []response {
	t.Helper()
	_ = s.reader.SetReadDeadline(time.Now().Add(10 * time.Second))
	text := bufio.NewScanner(s.reader)
	text.Buffer(nil, 1<<20)
	var got []response
	for text.Scan() {
		var r response
		if err := json.Unmarshal(text.Bytes(), &r); err != nil {
			t.Fatalf("%v in %.200s", err, text.Bytes())
		}
		if got = append(got, r); last(r) {
			return got
		}
	}
	t.Fatalf("the line ended after %d responses: %v", len(got), text.Err())
	return nil
}

// gaps checks that a reader misses nothing before it is told to ask again, and is told then from where; it returns
// how often it was told.
func gaps(t *testing.T, got []response) (told int) {
	t.Helper()
	before := 0
	for _, r := range got {
		switch {
		case r.Extensions != nil:
			told++
			if r.Extensions.Code != "RESYNC" || r.Extensions.After == nil || *r.Extensions.After != fmt.Sprint(before) {
				t.Errorf("%d after %d came with %+v", r.Data.N, before, *r.Extensions)
			}
		case r.Data.N != before+1 && told == 0:
			t.Errorf("%d came after %d without a word", r.Data.N, before)
		}
		if r.Data.N <= before {
			t.Errorf("%d came after %d", r.Data.N, before)
		}
		before = r.Data.N
	}
	return told
}

func TestASlowReaderGetsTheLatestAndIsTold(t *testing.T) {
	for _, wrapped := range []bool{false, true} {
		s := open(t, delivery.Options{QueueFrames: 20}, wrapped)
		stream := s.stream()
		const total, devices = 3000, 5
		latest := map[string]int{}
		for n := 1; n <= total; n++ { // nothing is read meanwhile
			device := ""
			if n%3 == 0 {
				device = fmt.Sprint("device", n%devices)
				latest[device] = n
			}
			if !stream.Deliver(numbered(n, device, 1000)) {
				t.Fatalf("result %d was refused", n)
			}
		}
		got := s.read(t, func(r response) bool { return r.Data.N == total })
		if gaps(t, got) == 0 || len(got) >= total {
			t.Errorf("%d of %d results came: the reader was not slow", len(got), total)
		}
		seen := map[string]int{}
		for _, r := range got {
			seen[r.Data.Device] = r.Data.N
		}
		for device, n := range latest {
			if seen[device] != n {
				t.Errorf("the latest of %s was %d, want %d", device, seen[device], n)
			}
		}

		// Who has caught up misses nothing any more.
		for n := total + 1; n <= total+10; n++ {
			stream.Deliver(numbered(n, "", 10))
		}
		for _, r := range s.read(t, func(r response) bool { return r.Data.N == total+10 }) {
			if r.Extensions != nil {
				t.Errorf("told of a gap again: %+v", r)
			}
		}
	}
}

func TestSlowReadersThatAreClosed(t *testing.T) {
	tests := []struct {
		name    string
		options delivery.Options
		device  func(n int) string
	}{
		{"at once", delivery.Options{QueueFrames: 20, SlowReader: delivery.CloseAtOnce}, func(int) string { return "same" }},
		{"no room for the latest of all", delivery.Options{QueueFrames: 20}, func(n int) string { return fmt.Sprint(n) }},
		{"behind for too long", delivery.Options{QueueFrames: 20, MaxBehind: time.Millisecond}, func(int) string { return "" }},
		{"reading nothing", delivery.Options{QueueFrames: 20, WriteTimeout: 50 * time.Millisecond}, func(int) string { return "" }},
		{"bytes", delivery.Options{QueueBytes: 20_000, SlowReader: delivery.CloseAtOnce}, func(int) string { return "" }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := open(t, test.options, false)
			stream := s.stream()
			deadline := time.Now().Add(10 * time.Second)
			for n := 1; stream.Deliver(numbered(n, test.device(n), 1000)); n++ {
				if time.Now().After(deadline) {
					t.Fatal("the connection goes on")
				}
			}
			if err := <-s.lost; !errors.Is(err, delivery.ErrTooSlow) {
				t.Errorf("lost for %v", err)
			}
		})
	}
}

func TestReplaysWaitForRoomAndMissNothing(t *testing.T) {
	s := open(t, delivery.Options{QueueFrames: 20}, false)
	replayed, live := s.stream(), s.stream()
	const total = 2000
	go func() {
		for n := 1; n <= total; n++ {
			if !replayed.Replay(t.Context(), numbered(n, "same", 1000)) {
				return
			}
			live.Deliver(&delivery.Result{JSON: []byte(`{"data":{"n":-1}}`)}) // which does not push it out
		}
	}()
	time.Sleep(20 * time.Millisecond) // the reader is slow to begin
	var got []response
	for _, r := range s.read(t, func(r response) bool { return r.Data.N == total }) {
		if r.Data.N != -1 {
			got = append(got, r)
		}
	}
	if told := gaps(t, got); told != 0 || len(got) != total {
		t.Errorf("%d of %d came, with %d gaps", len(got), total, told)
	}
}

func TestAReplayEnds(t *testing.T) {
	fill := func(s *sending, ctx context.Context) error {
		for n := 1; s.stream().Replay(ctx, numbered(n, "", 1000)); n++ {
		}
		return ctx.Err()
	}
	t.Run("with its context", func(t *testing.T) {
		s := open(t, delivery.Options{}, false)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := fill(s, ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it ended before its context: %v", err)
		}
	})
	t.Run("when nothing is read", func(t *testing.T) {
		s := open(t, delivery.Options{WriteTimeout: 50 * time.Millisecond}, false)
		_ = fill(s, t.Context())
		if err := <-s.lost; !errors.Is(err, delivery.ErrTooSlow) {
			t.Errorf("lost for %v", err)
		}
	})
	t.Run("with the connection", func(t *testing.T) {
		s := open(t, delivery.Options{}, false)
		time.AfterFunc(50*time.Millisecond, s.Cut)
		_ = fill(s, t.Context())
	})
}

func TestFramesAreNeverTorn(t *testing.T) {
	for _, wrapped := range []bool{false, true} {
		s := open(t, delivery.Options{QueueFrames: 1 << 20, QueueBytes: 1 << 30}, wrapped)
		const senders, each = 8, 300
		var group sync.WaitGroup
		for sender := range senders {
			stream := s.stream()
			group.Go(func() {
				for n := range each {
					size := (n * 37) % 3000
					if sender%2 == 0 {
						stream.Deliver(numbered(1, "", size), numbered(2, "", size))
						continue
					}
					s.Send(append(numbered(1, "", size).JSON, '\n'))
				}
			})
		}
		count := 0
		s.read(t, func(response) bool { count++; return count == senders/2*each*3 })
		group.Wait()
	}
}

func TestTheLastFrameComesLast(t *testing.T) {
	for _, drop := range []bool{false, true} {
		s := open(t, delivery.Options{}, false)
		stream := s.stream()
		const total = 1000
		for n := 1; n <= total; n++ {
			stream.Deliver(numbered(n, "", 1000))
		}
		s.Finish([]byte(`{"data":{"n":-1}}`+"\n"), drop, 0)
		if s.Send([]byte("late\n")) || stream.Deliver(numbered(1, "", 1)) {
			t.Error("something was taken after the last frame")
		}
		got := s.read(t, func(r response) bool { return r.Data.N == -1 })
		if whole := len(got) == total+1; whole == drop {
			t.Errorf("drop %t: %d of %d came", drop, len(got), total+1)
		}
		if n, err := s.reader.Read(make([]byte, 1)); err == nil {
			t.Errorf("%d bytes came after the last frame", n)
		}
	}
}

func TestASubscriptionThatEndsWithAGapIsNoSuccess(t *testing.T) {
	s := open(t, delivery.Options{QueueFrames: 20}, false)
	stream := s.stream()
	for n := 1; n <= 1000; n++ {
		stream.Deliver(numbered(n, "", 1000))
	}
	// Another's results push out what came last of this one.
	other := s.stream()
	for n := range 21 {
		other.Deliver(&delivery.Result{JSON: []byte(`{"data":{"n":-1}}`), Latest: fmt.Sprint(n % 10)})
	}
	stream.Last(nil, func(errs gqlerror.List) []byte {
		text, _ := json.Marshal(map[string]any{"data": map[string]int{"n": -2}, "extensions": errs[0].Extensions})
		return append(text, '\n')
	})
	got := s.read(t, func(r response) bool { return r.Data.N == -2 })
	before := 0
	for _, r := range got {
		if r.Data.N > 0 {
			before = r.Data.N
		}
	}
	if last := got[len(got)-1]; last.Extensions.Code != "RESYNC" || *last.Extensions.After != fmt.Sprint(before) {
		t.Errorf("after %d it ended with %+v", before, last.Extensions)
	}
}

func TestWhatIsStoppedDoesNotGoOut(t *testing.T) {
	s := open(t, delivery.Options{}, false)
	stopped, other := s.stream(), s.stream()
	for n := 1; n <= 1000; n++ {
		stopped.Deliver(numbered(n, "", 1000))
	}
	stopped.Stop()
	if stopped.Deliver(numbered(1001, "", 1)) {
		t.Error("a stopped subscription takes results")
	}
	other.Deliver(numbered(-1, "", 1))
	if got := s.read(t, func(r response) bool { return r.Data.N == -1 }); len(got) > 900 {
		t.Errorf("%d results came of a subscription that was stopped", len(got))
	}
}

func TestAnExtensionOfAResponseIsKept(t *testing.T) {
	s := open(t, delivery.Options{QueueFrames: 2}, false)
	stream := s.stream()
	for n := 1; n <= 1000; n++ {
		stream.Deliver(&delivery.Result{JSON: fmt.Appendf(nil,
			`{"data":{"n":%d,"device":%q},"extensions":{"other":"<&>"}}`, n, strings.Repeat("x", 1000)), Cursor: fmt.Sprint(n)})
	}
	text := bufio.NewScanner(s.reader)
	for text.Scan() {
		if strings.Contains(text.Text(), "RESYNC") {
			if !strings.Contains(text.Text(), `"other"`) || strings.Contains(text.Text(), "\n") {
				t.Errorf("got %s", text.Text())
			}
			return
		}
	}
	t.Fatal("no gap was told of")
}
