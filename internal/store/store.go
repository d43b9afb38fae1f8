// Package store keeps what must outlive a restart or be shared by replicas: the log of device events, the
// leadership among replicas, and whatever else is settled in steps. It is no database of devices: GLPI owns
// those. Two stores do the same: a bbolt file for a gateway by itself, and a Redis for several.
//
// Values are small (kilobytes) and lie in buckets, each under a key, with or without an end of life. Logs are
// sequences of entries that are read in order, bounded by number and age.
package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Store keeps values and logs. It is safe for concurrent use. Errors are those of the disk, the network or the
// context; none holds a value.
type Store interface {
	// Get reads a value; nil when there is none.
	Get(ctx context.Context, bucket, key string) ([]byte, error)
	// GetMany reads values in one go, each in its key's place; nil where there is none.
	GetMany(ctx context.Context, bucket string, keys []string) ([][]byte, error)
	// Put keeps a value for as long as ttl says; 0: for ever.
	Put(ctx context.Context, bucket, key string, value []byte, ttl time.Duration) error
	// Swap keeps a new value only where the present one is old, and says whether it did. nil for old means that
	// there must be none; nil for new deletes. Two replicas that swap the same value can't both succeed.
	Swap(ctx context.Context, bucket, key string, old, new []byte, ttl time.Duration) (bool, error)
	// Delete forgets a value, if there is one.
	Delete(ctx context.Context, bucket, key string) error
	// Each calls visit for the values of a bucket, in no order, until it returns false. Values that are written
	// or deleted meanwhile may be seen or not.
	Each(ctx context.Context, bucket string, visit func(key string, value []byte) bool) error
	// Count adds to a counter that lives for ttl from its first count on, and gives its new value. To add 0 writes nothing.
	Count(ctx context.Context, bucket, key string, by int64, ttl time.Duration) (int64, error)

	// Append adds entries to a log, in their order and after all that are there, and drops the oldest beyond the
	// log's bounds.
	Append(ctx context.Context, log string, bounds Bounds, entries ...[]byte) error
	// Read gives the entries of a log that follow an ID, oldest first, limit at most. Where the log has none it
	// waits for one, until ctx is done, if wait is true. The zero ID is before all entries.
	Read(ctx context.Context, log string, after ID, limit int, wait bool) ([]Entry, error)
	// Tail gives the newest entries of a log, limit at most, oldest first.
	Tail(ctx context.Context, log string, limit int) ([]Entry, error)

	// Check makes sure that the store can be used.
	Check(ctx context.Context) error
	// Close frees what the store holds. Reads that wait end with an error.
	Close() error
}

// Bounds limit a log. Zero values don't; the entries may be somewhat more and somewhat older.
type Bounds struct {
	Entries int
	Age     time.Duration
}

// ID is the place of an entry in its log. IDs grow with every entry and are never used again.
type ID struct {
	Millisecond uint64 // since 1970
	Sequence    uint64 // within the millisecond
}

// Entry is one entry of a log.
type Entry struct {
	ID    ID
	Value []byte
}

// ErrClosed says that the store was closed.
var ErrClosed = errors.New("the store is closed")

// Compare is negative where the ID comes before the other, positive where it comes after.
func (i ID) Compare(other ID) int {
	switch {
	case i == other:
		return 0
	case i.Millisecond < other.Millisecond, i.Millisecond == other.Millisecond && i.Sequence < other.Sequence:
		return -1
	}
	return 1
}

// next is the ID of an entry that comes now, after the last one.
func (i ID) next(now time.Time) ID {
	if ms := uint64(now.UnixMilli()); ms > i.Millisecond {
		return ID{Millisecond: ms}
	}
	return ID{i.Millisecond, i.Sequence + 1} // the clock stands, or was set back
}

// bytes sort as the IDs do.
func (i ID) bytes() []byte {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], i.Millisecond)
	binary.BigEndian.PutUint64(b[8:], i.Sequence)
	return b[:]
}

func idOf(b []byte) (ID, error) {
	if len(b) != 16 {
		return ID{}, fmt.Errorf("a log's key has %d bytes instead of 16", len(b))
	}
	return ID{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}, nil
}
