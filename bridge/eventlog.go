package bridge

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sort"
	"time"
)

// eventLog holds the latest events of the Log in memory, each under a number of this process, which counts from
// 1, and under the Log's own ID, which is what a cursor stands for: a cursor is good on every replica and after a
// restart.
type eventLog struct {
	ring []*Event
	ids  []LogID
	// first is the number of the first event that may follow on another without a gap, next that of the next event.
	first, next uint64
	// last is the ID of the latest event read from the Log, and since is when the reading began.
	last  LogID
	since time.Time
	age   time.Duration
	now   func() time.Time
	// seal makes cursors opaque: nobody reads from one how much happens in companies that are not theirs, and
	// nobody makes one up.
	seal cipher.Block
}

// newEventLog seals cursors with a key made of the secret; without one, with a key that ends with the process.
func newEventLog(size int, age time.Duration, secret []byte, now func() time.Time) *eventLog {
	key := sha256.Sum256(append([]byte("fleetgate event cursor\x00"), secret...))
	if len(secret) == 0 {
		rand.Read(key[:])
	}
	seal, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // only for a key of another length
	}
	return &eventLog{ring: make([]*Event, size), ids: make([]LogID, size), first: 1, next: 1, since: now(), age: age, now: now, seal: seal}
}

// add appends an event and gives it its cursor and its number.
func (l *eventLog) add(e *Event, id LogID) {
	e.Cursor, e.Number = l.cursor(id), l.next
	place := l.next % uint64(len(l.ring))
	l.ring[place], l.ids[place] = e, id
	l.last = id
	l.next++
}

// oldest is the number of the oldest event kept, or of the next one when there is none.
func (l *eventLog) oldest() uint64 {
	if kept := uint64(len(l.ring)); l.next-l.first > kept {
		return l.next - kept
	}
	return l.first
}

// forget lets go of all events: none of them may be the one before the next.
func (l *eventLog) forget() {
	clear(l.ring)
	l.first = l.next
}

// at is the event of a number between oldest and next.
func (l *eventLog) at(number uint64) *Event { return l.ring[number%uint64(len(l.ring))] }

func (l *eventLog) id(number uint64) LogID { return l.ids[number%uint64(len(l.ids))] }

func (l *eventLog) cursor(id LogID) string {
	var block [aes.BlockSize]byte
	l.seal.Encrypt(block[:], id[:])
	return base64.RawURLEncoding.EncodeToString(block[:])
}

// open reads a cursor; ok is false when it is none of ours.
func (l *eventLog) open(cursor string) (id LogID, ok bool) {
	if len(cursor) != base64.RawURLEncoding.EncodedLen(len(id)) {
		return id, false
	}
	if _, err := base64.RawURLEncoding.Strict().Decode(id[:], []byte(cursor)); err != nil {
		return id, false
	}
	l.seal.Decrypt(id[:], id[:])
	// Milliseconds leave the first two bytes empty for 8,000 years, and nobody makes four thousand million events
	// in one: what was sealed with another key does not look so.
	ms, sequence := id.Parts()
	return id, ms < 1<<48 && sequence < 1<<32
}

// after is the number that follows a cursor. Where the cursor's event is not read from the Log yet, since another
// replica is ahead, notBefore is the ID after which events count. ErrResync when the cursor is not of this log, too
// old, or events after it are gone: also one from before this process that the Log knows nothing of.
func (l *eventLog) after(cursor string) (number uint64, notBefore LogID, err error) {
	id, ok := l.open(cursor)
	if !ok {
		return 0, LogID{}, ErrResync
	}
	switch age := id.age(l.now()); {
	case age > l.age:
		return 0, LogID{}, ErrResync
	case id.after(l.last) && l.isFromBefore(id):
		return 0, LogID{}, ErrResync
	case id.after(l.last):
		return l.next, id, nil
	}
	oldest := l.oldest()
	found := sort.Search(int(l.next-oldest), func(i int) bool { return !id.after(l.id(oldest + uint64(i))) })
	if number := oldest + uint64(found); number < l.next && l.id(number) == id {
		return number + 1, LogID{}, nil
	}
	return 0, LogID{}, ErrResync
}

// isFromBefore says whether an entry was written before this log was begun.
func (l *eventLog) isFromBefore(id LogID) bool {
	ms, _ := id.Parts()
	return ms < uint64(l.since.UnixMilli())
}

// after says whether an ID comes after another one.
func (id LogID) after(other LogID) bool { return bytes.Compare(id[:], other[:]) > 0 }

// age is how long ago an entry was written.
func (id LogID) age(now time.Time) time.Duration {
	ms, _ := id.Parts()
	return now.Sub(time.UnixMilli(int64(ms)))
}
