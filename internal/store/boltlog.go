package store

import (
	"bytes"
	"context"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// Append is Store's.
func (f *File) Append(_ context.Context, log string, bounds Bounds, entries ...[]byte) error {
	err := f.logs.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucketName(logsPrefix, log))
		if err != nil {
			return err
		}
		b.FillPercent = 1 // keys only grow
		var last ID
		if key, _ := b.Cursor().Last(); key != nil {
			if last, err = idOf(key); err != nil {
				return err
			}
		}
		for _, entry := range entries {
			last = last.next(f.now())
			if err := b.Put(last.bytes(), present(entry)); err != nil {
				return err
			}
		}
		return f.trim(b, bounds, len(entries))
	})
	if err == nil {
		f.wake()
	}
	return err
}

// trim drops entries beyond the bounds. The number of entries is kept in the bucket's sequence, since counting
// them would read them all.
func (f *File) trim(b *bolt.Bucket, bounds Bounds, added int) error {
	entries := int(b.Sequence()) + added
	oldest := ID{}
	if bounds.Age > 0 {
		oldest.Millisecond = uint64(f.now().Add(-bounds.Age).UnixMilli())
	}
	var excess [][]byte
	cursor := b.Cursor()
	for key, _ := cursor.First(); key != nil; key, _ = cursor.Next() {
		tooMany := bounds.Entries > 0 && entries-len(excess) > bounds.Entries
		if !tooMany && bytes.Compare(key, oldest.bytes()) >= 0 {
			break
		}
		excess = append(excess, bytes.Clone(key))
	}
	if len(excess) == entries && len(excess) > 0 {
		excess = excess[:len(excess)-1] // the last one tells the next one's ID
	}
	for _, key := range excess {
		if err := b.Delete(key); err != nil {
			return err
		}
	}
	return b.SetSequence(uint64(entries - len(excess)))
}

// wake tells the readers that wait.
func (f *File) wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.grown)
	f.grown = make(chan struct{})
}

// Read is Store's.
func (f *File) Read(ctx context.Context, log string, after ID, limit int, wait bool) ([]Entry, error) {
	for {
		f.mu.Lock()
		grown := f.grown // before the look: what comes after it is not missed
		f.mu.Unlock()
		entries, err := f.following(log, after, limit)
		if err != nil || len(entries) > 0 || !wait {
			return entries, err
		}
		select {
		case <-grown:
		case <-f.closed:
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (f *File) following(log string, after ID, limit int) (entries []Entry, err error) {
	err = f.logs.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketName(logsPrefix, log))
		if b == nil {
			return nil
		}
		cursor := b.Cursor()
		key, value := cursor.Seek(after.bytes())
		if key != nil && bytes.Equal(key, after.bytes()) {
			key, value = cursor.Next()
		}
		for ; key != nil && len(entries) < limit; key, value = cursor.Next() {
			id, err := idOf(key)
			if err != nil {
				return err
			}
			entries = append(entries, Entry{id, bytes.Clone(value)})
		}
		return nil
	})
	return entries, err
}

// Tail is Store's.
func (f *File) Tail(_ context.Context, log string, limit int) (entries []Entry, err error) {
	err = f.logs.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketName(logsPrefix, log))
		if b == nil {
			return nil
		}
		cursor := b.Cursor()
		for key, value := cursor.Last(); key != nil && len(entries) < limit; key, value = cursor.Prev() {
			id, err := idOf(key)
			if err != nil {
				return err
			}
			entries = append(entries, Entry{id, bytes.Clone(value)})
		}
		return nil
	})
	slices.Reverse(entries)
	return entries, err
}

var _ Store = (*File)(nil)
