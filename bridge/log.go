package bridge

import (
	"context"
	"encoding/binary"
	"sort"
	"sync"
	"time"
)

// Log keeps events beyond the end of the process, and for other replicas: whatever one of them appends, all of
// them read, in the same order. A store that can be reached over a network may fail for a while: the bridge tries
// again.
type Log interface {
	// Append adds entries after all that are there, in their order.
	Append(ctx context.Context, entries ...[]byte) error
	// Read gives the entries after an ID, oldest first, limit at most; it waits until there is one.
	Read(ctx context.Context, after LogID, limit int) ([]LogEntry, error)
	// Tail gives the newest entries, oldest first, limit at most.
	Tail(ctx context.Context, limit int) ([]LogEntry, error)
}

// LogID is an entry's place in the log; the IDs of one log grow in the order of their bytes. Its first half holds
// milliseconds since 1970, the second half counts within them.
type LogID [16]byte

// NewLogID makes the ID of an entry.
func NewLogID(millisecond, sequence uint64) (id LogID) {
	binary.BigEndian.PutUint64(id[:8], millisecond)
	binary.BigEndian.PutUint64(id[8:], sequence)
	return id
}

// Parts are the milliseconds and the count of which NewLogID made the ID.
func (id LogID) Parts() (millisecond, sequence uint64) {
	return binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:])
}

// LogEntry is one entry of a Log.
type LogEntry struct {
	ID    LogID
	Value []byte
}

// memoryLog is the log of a bridge that was given none: it ends with the process.
type memoryLog struct {
	mu      sync.Mutex
	entries []LogEntry // the newest, most at most twice
	most    int
	last    uint64
	grown   chan struct{}
	now     func() time.Time
}

func newMemoryLog(most int, now func() time.Time) *memoryLog {
	return &memoryLog{most: most, grown: make(chan struct{}), now: now}
}

func (l *memoryLog) Append(_ context.Context, entries ...[]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := uint64(l.now().UnixMilli())
	for _, value := range entries {
		l.last++
		l.entries = append(l.entries, LogEntry{NewLogID(max(now, l.lastMillisecond()), l.last), value})
	}
	if len(l.entries) > 2*l.most {
		l.entries = append([]LogEntry(nil), l.entries[len(l.entries)-l.most:]...)
	}
	close(l.grown)
	l.grown = make(chan struct{})
	return nil
}

func (l *memoryLog) lastMillisecond() uint64 {
	if len(l.entries) == 0 {
		return 0
	}
	ms, _ := l.entries[len(l.entries)-1].ID.Parts()
	return ms
}

func (l *memoryLog) Read(ctx context.Context, after LogID, limit int) ([]LogEntry, error) {
	for {
		l.mu.Lock()
		found, grown := l.following(after, limit), l.grown
		l.mu.Unlock()
		if len(found) > 0 {
			return found, nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (l *memoryLog) following(after LogID, limit int) []LogEntry {
	first := sort.Search(len(l.entries), func(i int) bool { return l.entries[i].ID.after(after) })
	return append([]LogEntry(nil), l.entries[first:min(len(l.entries), first+limit)]...)
}

func (l *memoryLog) Tail(_ context.Context, limit int) ([]LogEntry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]LogEntry(nil), l.entries[max(0, len(l.entries)-limit):]...), nil
}
