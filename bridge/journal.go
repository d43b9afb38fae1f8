package bridge

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// journal carries events through the Log: what this replica hears is appended by the one replica that leads, and
// every replica reads it back and hands it to its own subscribers, so that all of them see the same events in the
// same order under the same cursors. A replica that doesn't lead keeps what it heard lately: when it has to take
// over, it appends what the former leader didn't come to.
type journal struct {
	log     Log
	hub     *hub
	known   *registry
	options Options
	metrics *metrics
	led     bool // whether this replica led when that was last looked at; only write's

	mu      sync.Mutex
	heard   []Event // not appended yet, in order
	first   uint64  // the number of the first of them, which counts all events
	lost    bool    // some had to be dropped before the first
	arrived chan struct{}
	quiet   map[string]*rate.Sometimes // for the log of failures, by what was being done
}

const (
	mostHeard   = 65_536           // events that wait for a Log that can't be reached
	batchLength = 512              // events of one Append or Read
	standbyTime = 20 * time.Second // how long a replica that doesn't lead keeps what it heard
	leadCheck   = 250 * time.Millisecond
	logRetry    = 500 * time.Millisecond
	flushTime   = time.Second
	failureTold = 30 * time.Second // how often a failure that lasts is logged
)

// What is done with the Log, for the log of failures.
const (
	reading = "reading the event log"
	writing = "writing the event log"
)

func newJournal(o Options, h *hub, known *registry, m *metrics) *journal {
	log := o.Log
	if log == nil {
		log = newMemoryLog(o.LogSize, o.Now)
	}
	return &journal{
		log: log, hub: h, known: known, options: o, metrics: m, led: o.Leads(), arrived: make(chan struct{}, 1),
		quiet: map[string]*rate.Sometimes{reading: {Interval: failureTold}, writing: {Interval: failureTold}},
	}
}

// add takes events in that were heard. It never waits.
func (j *journal) add(events []Event) {
	if len(events) == 0 {
		return
	}
	j.mu.Lock()
	j.heard = append(j.heard, events...)
	if excess := len(j.heard) - mostHeard; excess > 0 {
		j.drop(excess)
		j.lost = true
	}
	j.mu.Unlock()
	select {
	case j.arrived <- struct{}{}:
	default:
	}
}

// drop lets go of the oldest events. It is called with the lock held.
func (j *journal) drop(number int) {
	j.heard, j.first = j.heard[number:], j.first+uint64(number)
}

// write appends what is heard while this replica leads, until ctx is done.
func (j *journal) write(ctx context.Context) {
	check := time.NewTicker(leadCheck)
	defer check.Stop()
	for {
		select {
		case <-ctx.Done():
			if j.led {
				j.flush(ctx)
			}
			return
		case <-j.arrived:
		case <-check.C:
		}
		leads := j.options.Leads()
		switch {
		case !leads:
			j.keepLatest()
		case !j.led:
			leads = j.takeOver(ctx)
			j.appendAll(ctx)
		case !j.appendAll(ctx):
			wait(ctx, logRetry)
		}
		j.led = leads
	}
}

// flush appends what is left at the end.
func (j *journal) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	j.appendAll(ctx)
}

// keepLatest drops what another replica has had the time to append.
func (j *journal) keepLatest() {
	j.mu.Lock()
	defer j.mu.Unlock()
	oldest := j.options.Now().Add(-standbyTime)
	for len(j.heard) > 0 && j.heard[0].At.Before(oldest) {
		j.drop(1)
	}
	j.lost = false
}

// takeOver drops what the former leader appended already. Without the log that can't be known: it says no, and is
// tried again.
func (j *journal) takeOver(ctx context.Context) bool {
	entries, err := j.log.Tail(ctx, mostHeard)
	if err != nil {
		j.failed(reading, err)
		return false
	}
	appended := map[[32]byte]int{}
	for _, entry := range entries {
		var e Event
		if entry.ID.age(j.options.Now()) <= 2*standbyTime && json.Unmarshal(entry.Value, &e) == nil {
			appended[fingerprint(e)]++
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	var missing []Event
	for _, e := range j.heard {
		if print := fingerprint(e); appended[print] > 0 {
			appended[print]--
			continue
		}
		missing = append(missing, e)
	}
	j.heard, j.first = missing, j.first+uint64(len(j.heard)-len(missing))
	return true
}

// fingerprint is the same for an event that two replicas heard, each by its own clock.
func fingerprint(e Event) [32]byte {
	e.At, e.RoundTrip, e.Cursor = time.Time{}, 0, ""
	if e.Presence != nil {
		e.Presence = &Presence{State: e.Presence.State, Source: e.Presence.Source}
	}
	if e.Position != nil {
		position := *e.Position
		position.At = time.Time{}
		e.Position = &position
	}
	if e.Command != nil {
		e.Command = &Command{Name: e.Command.Name}
	}
	text, _ := json.Marshal(e) // of numbers, texts and times: it always works
	return sha256.Sum256(text)
}

// appendAll appends everything heard; false when it failed and is to be tried again.
func (j *journal) appendAll(ctx context.Context) bool {
	for ctx.Err() == nil {
		j.mu.Lock()
		batch := j.heard[:min(len(j.heard), batchLength)]
		first, lost := j.first, j.lost
		j.mu.Unlock()
		if len(batch) == 0 {
			return true
		}
		entries := make([][]byte, 0, len(batch)+1)
		if lost {
			entries = append(entries, nil) // an empty entry: events are missing here
		}
		for _, e := range batch {
			text, _ := json.Marshal(e)
			entries = append(entries, text)
		}
		if err := j.log.Append(ctx, entries...); err != nil {
			j.failed(writing, err)
			return false
		}
		j.forget(first + uint64(len(batch)))
	}
	return true
}

// forget drops the events up to a number, which are appended now with the word that some before them are lost. Where
// more had to be dropped meanwhile, that is still to be told.
func (j *journal) forget(end uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.first <= end {
		j.drop(int(end - j.first))
		j.lost = false
	}
}

// load reads what the log kept from before, for subscribers that come back with a cursor. It gives the place from
// which to follow.
func (j *journal) load(ctx context.Context) (LogID, error) {
	entries, err := j.log.Tail(ctx, j.options.LogSize)
	if err != nil {
		return LogID{}, err
	}
	last := LogID{}
	for len(entries) > 0 && j.hub.log.isFromBefore(entries[0].ID) {
		last = entries[0].ID
		j.recall(entries[0])
		entries = entries[1:]
	}
	return j.take(entries, last), nil
}

// recall takes an entry up from before this process.
func (j *journal) recall(entry LogEntry) {
	var e Event
	switch {
	case len(entry.Value) == 0:
		j.hub.keep(nil, entry.ID)
	case json.Unmarshal(entry.Value, &e) == nil:
		j.known.restore(e)
		j.hub.keep(&e, entry.ID)
	}
}

// follow hands every entry of the log to the subscribers, until ctx is done.
func (j *journal) follow(ctx context.Context) {
	last, loaded := LogID{}, false
	for ctx.Err() == nil {
		var err error
		if !loaded {
			if last, err = j.load(ctx); err == nil {
				loaded = true
				close(j.hub.loaded)
			}
		} else {
			var entries []LogEntry
			if entries, err = j.log.Read(ctx, last, batchLength); err == nil {
				last = j.take(entries, last)
			}
		}
		if err != nil && ctx.Err() == nil {
			j.failed(reading, err)
			wait(ctx, logRetry)
		}
	}
}

// take publishes entries and gives the ID of the last one.
func (j *journal) take(entries []LogEntry, last LogID) LogID {
	for _, entry := range entries {
		last = entry.ID
		var e Event
		switch {
		case len(entry.Value) == 0:
			j.hub.lose()
		case json.Unmarshal(entry.Value, &e) != nil:
			j.options.Logger.Warn("the event log holds an entry that is no event")
		default:
			j.hub.publish(e, entry.ID)
		}
	}
	return last
}

func (j *journal) failed(doing string, err error) {
	j.metrics.logErrors.Inc()
	if !errors.Is(err, context.Canceled) {
		j.quiet[doing].Do(func() {
			j.options.Logger.Warn("the event log can't be used, trying again", "doing", doing, "error", err)
		})
	}
}

// wait pauses, unless ctx is done before.
func wait(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
