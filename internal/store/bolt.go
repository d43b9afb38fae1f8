package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

// File is the store of a gateway by itself: a bbolt file in its data folder. Values are on the disk when a
// write returns. Log entries are written at once and reach the disk within a second: a crash of the machine
// may cost the last ones, a crash of the process none.
type File struct {
	db        *bolt.DB
	logs      *bolt.DB // apart, since its writes don't wait for the disk
	temporary string   // the folder to remove at the end; "": none
	now       func() time.Time

	mu     sync.Mutex
	grown  chan struct{} // closed, and made anew, whenever a log has grown
	closed chan struct{}
	once   sync.Once
	wg     sync.WaitGroup
}

const (
	lockPatience  = 3 * time.Second // for another process to let go of the file
	flushEvery    = time.Second
	expireEvery   = time.Minute
	deadlineBytes = 8
)

var (
	valuesPrefix = []byte("values/")
	logsPrefix   = []byte("log/")
)

// OpenFile opens the store of a data folder, and makes it if needed. Without a folder it lies in a temporary
// one and ends with the process. Another process that has it open is an error after three seconds.
func OpenFile(dataDir string) (*File, error) {
	f := &File{now: time.Now, grown: make(chan struct{}), closed: make(chan struct{})}
	if dataDir == "" {
		made, err := os.MkdirTemp("", "fleetgate-")
		if err != nil {
			return nil, fmt.Errorf("making a temporary folder: %w", err)
		}
		dataDir, f.temporary = made, made
	}
	if err := f.open(dataDir); err != nil {
		f.remove()
		return nil, err
	}
	f.wg.Go(func() { f.tend() })
	return f, nil
}

func (f *File) open(dir string) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	f.db, err = bolt.Open(filepath.Join(dir, "store.db"), 0o600, &bolt.Options{Timeout: lockPatience, NoSync: f.temporary != ""})
	if err != nil {
		return fmt.Errorf("opening the store (is another gateway using this data folder?): %w", err)
	}
	f.logs, err = bolt.Open(filepath.Join(dir, "logs.db"), 0o600, &bolt.Options{Timeout: lockPatience, NoSync: true, NoFreelistSync: true})
	if err != nil {
		return fmt.Errorf("opening the logs: %w", err)
	}
	return nil
}

// tend writes the logs to the disk and forgets values past their end, until the store is closed.
func (f *File) tend() {
	flush, expire := time.NewTicker(flushEvery), time.NewTicker(expireEvery)
	defer flush.Stop()
	defer expire.Stop()
	for {
		select {
		case <-f.closed:
			return
		case <-flush.C:
			if f.temporary == "" {
				_ = f.logs.Sync() // tried again in a second; a disk that fails shows in the writes of values
			}
		case <-expire.C:
			_ = f.db.Update(f.expire)
		}
	}
}

// Check makes sure that the file can be read.
func (f *File) Check(context.Context) error { return f.db.View(func(*bolt.Tx) error { return nil }) }

// Close writes everything to the disk and closes the file.
func (f *File) Close() error {
	var err error
	f.once.Do(func() {
		close(f.closed)
		f.wg.Wait()
		err = f.remove()
	})
	return err
}

func (f *File) remove() error {
	var failed error
	for _, db := range []*bolt.DB{f.db, f.logs} {
		if db == nil {
			continue
		}
		if f.temporary == "" {
			failed = errors.Join(failed, db.Sync())
		}
		failed = errors.Join(failed, db.Close())
	}
	if f.temporary != "" {
		failed = errors.Join(failed, os.RemoveAll(f.temporary))
	}
	return failed
}

// A value lies behind its end of life, in Unix milliseconds; 0: none.

func pack(value []byte, ttl time.Duration, now time.Time) []byte {
	packed := make([]byte, deadlineBytes, deadlineBytes+len(value))
	if ttl > 0 {
		binary.BigEndian.PutUint64(packed, uint64(now.Add(ttl).UnixMilli()))
	}
	return append(packed, value...)
}

// unpack gives the value, nil where it is past its end, and its end.
func unpack(packed []byte, now time.Time) (value []byte, deadline uint64) {
	if len(packed) < deadlineBytes {
		return nil, 0
	}
	deadline = binary.BigEndian.Uint64(packed)
	if deadline != 0 && deadline <= uint64(now.UnixMilli()) {
		return nil, deadline
	}
	return append([]byte{}, packed[deadlineBytes:]...), deadline // bolt's memory ends with the transaction
}

func bucketName(prefix []byte, name string) []byte { return append(bytes.Clone(prefix), name...) }

// Get is Store's.
func (f *File) Get(ctx context.Context, bucket, key string) ([]byte, error) {
	values, err := f.GetMany(ctx, bucket, []string{key})
	return values[0], err
}

// GetMany is Store's.
func (f *File) GetMany(_ context.Context, bucket string, keys []string) ([][]byte, error) {
	values := make([][]byte, len(keys))
	return values, f.db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketName(valuesPrefix, bucket))
		if b == nil {
			return nil
		}
		for i, key := range keys {
			values[i], _ = unpack(b.Get([]byte(key)), f.now())
		}
		return nil
	})
}

// change reads a value and writes what decide makes of it: nil deletes. The deadline stays unless ttl is above 0.
func (f *File) change(bucket, key string, ttl time.Duration, decide func(old []byte) (value []byte, write bool)) error {
	return f.db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucketName(valuesPrefix, bucket))
		if err != nil {
			return err
		}
		old, _ := unpack(b.Get([]byte(key)), f.now())
		value, write := decide(old)
		switch {
		case !write:
			return nil
		case value == nil:
			return b.Delete([]byte(key))
		}
		return b.Put([]byte(key), pack(value, ttl, f.now()))
	})
}

// Put is Store's.
func (f *File) Put(_ context.Context, bucket, key string, value []byte, ttl time.Duration) error {
	return f.change(bucket, key, ttl, func([]byte) ([]byte, bool) { return present(value), true })
}

// Swap is Store's.
func (f *File) Swap(_ context.Context, bucket, key string, old, new []byte, ttl time.Duration) (swapped bool, err error) {
	err = f.change(bucket, key, ttl, func(found []byte) ([]byte, bool) {
		swapped = (found == nil) == (old == nil) && bytes.Equal(found, old)
		return new, swapped
	})
	return swapped && err == nil, err
}

// present keeps an empty value from being taken for none.
func present(value []byte) []byte {
	if value == nil {
		return []byte{}
	}
	return value
}

// Delete is Store's.
func (f *File) Delete(_ context.Context, bucket, key string) error {
	return f.change(bucket, key, 0, func(old []byte) ([]byte, bool) { return nil, old != nil })
}

// Each is Store's.
func (f *File) Each(ctx context.Context, bucket string, visit func(key string, value []byte) bool) error {
	type pair struct {
		key   string
		value []byte
	}
	var pairs []pair // so that visit may write
	err := f.db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketName(valuesPrefix, bucket))
		if b == nil {
			return nil
		}
		return b.ForEach(func(key, packed []byte) error {
			if value, _ := unpack(packed, f.now()); value != nil {
				pairs = append(pairs, pair{string(key), value})
			}
			return ctx.Err()
		})
	})
	for _, p := range pairs {
		if err != nil || !visit(p.key, p.value) {
			break
		}
	}
	return err
}

// Count is Store's.
func (f *File) Count(ctx context.Context, bucket, key string, by int64, ttl time.Duration) (count int64, err error) {
	if by == 0 {
		value, err := f.Get(ctx, bucket, key)
		if len(value) == 8 {
			count = int64(binary.BigEndian.Uint64(value))
		}
		return count, err
	}
	err = f.db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucketName(valuesPrefix, bucket))
		if err != nil {
			return err
		}
		old, deadline := unpack(b.Get([]byte(key)), f.now())
		count = by
		if len(old) == 8 {
			count += int64(binary.BigEndian.Uint64(old))
			ttl = time.UnixMilli(int64(deadline)).Sub(f.now()) // counted from the first on
			if deadline == 0 {
				ttl = 0
			}
		}
		return b.Put([]byte(key), pack(binary.BigEndian.AppendUint64(nil, uint64(count)), ttl, f.now()))
	})
	return count, err
}

// expire deletes values past their end.
func (f *File) expire(tx *bolt.Tx) error {
	return tx.ForEach(func(_ []byte, b *bolt.Bucket) error {
		var dead [][]byte
		err := b.ForEach(func(key, packed []byte) error {
			if value, _ := unpack(packed, f.now()); value == nil {
				dead = append(dead, bytes.Clone(key))
			}
			return nil
		})
		for _, key := range dead {
			err = errors.Join(err, b.Delete(key))
		}
		return err
	})
}
