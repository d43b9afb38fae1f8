package dangerzone

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"time"

	"fleetgate/internal/store"
)

// What is kept where in the store.
const (
	operationBucket = "danger-zone"           // operations, by id
	openBucket      = "danger-zone-open"      // the ids of those that are not done with
	usedBucket      = "danger-zone-used"      // confirmations that were used
	runnerBucket    = "danger-zone-running"   // which operations a gateway is asking GLPI for, while it lives
	progressLog     = "danger-zone-progress"  // the ids of operations that have changed
	placeBucket     = "danger-zone-followed"  // up to where the events of devices were followed
	keptFor         = 400 * 24 * time.Hour    // operations
	usedFor         = confirmable + time.Hour // longer than any confirmation is good
	changeTries     = 50
)

var progressBounds = store.Bounds{Entries: 10_000, Age: 24 * time.Hour}

// mostID keeps ids exact wherever numbers are doubles.
var mostID = big.NewInt(1 << 52)

// newID is an id that tells nothing of how many operations there are.
func newID() (int, error) {
	n, err := rand.Int(rand.Reader, mostID)
	if err != nil {
		return 0, err
	}
	return int(n.Int64()) + 1, nil
}

// create keeps a new operation, which is found after a crash from then on.
func (d *Desk) create(ctx context.Context, op *Operation) error {
	value, err := json.Marshal(op)
	if err != nil {
		return err
	}
	key := strconv.Itoa(op.ID)
	if err := d.o.Store.Put(ctx, openBucket, key, []byte("open"), 0); err != nil {
		return fmt.Errorf("writing an operation down: %w", err)
	}
	created, err := d.o.Store.Swap(ctx, operationBucket, key, nil, value, keptFor)
	if err == nil && !created {
		err = errors.New("its id is taken")
	}
	if err != nil {
		return fmt.Errorf("writing an operation down: %w", err)
	}
	return nil
}

// load reads an operation; nil where there is none.
func (d *Desk) load(ctx context.Context, id int) (*Operation, error) {
	op, _, err := d.read(ctx, id)
	return op, err
}

func (d *Desk) read(ctx context.Context, id int) (*Operation, []byte, error) {
	value, err := d.o.Store.Get(ctx, operationBucket, strconv.Itoa(id))
	if err != nil || value == nil {
		return nil, nil, err
	}
	op := &Operation{}
	if err := json.Unmarshal(value, op); err != nil {
		return nil, nil, fmt.Errorf("reading an operation: %w", err)
	}
	return op, value, nil
}

// change changes an operation, whoever else changes it at the same time, and tells those who watch. alter may be called
// more than once.
func (d *Desk) change(ctx context.Context, id int, alter func(*Operation)) (*Operation, error) {
	d.changing.Lock()
	defer d.changing.Unlock()
	for range changeTries {
		op, old, err := d.read(ctx, id)
		if err == nil && op == nil {
			err = errors.New("there is no such operation")
		}
		if err != nil {
			return nil, err
		}
		alter(op)
		value, err := json.Marshal(op)
		if err != nil {
			return nil, err
		}
		if bytes.Equal(value, old) {
			return op, nil
		}
		swapped, err := d.o.Store.Swap(ctx, operationBucket, strconv.Itoa(id), old, value, keptFor)
		if err != nil {
			return nil, fmt.Errorf("writing an operation down: %w", err)
		}
		if swapped {
			d.announce(ctx, id)
			return op, nil
		}
	}
	return nil, errors.New("an operation is changed by too many at once")
}

// announce tells every replica that an operation has changed. Who misses it sees the operation at its next look.
func (d *Desk) announce(ctx context.Context, id int) {
	if err := d.o.Store.Append(ctx, progressLog, progressBounds, []byte(strconv.Itoa(id))); err != nil {
		d.log.WarnContext(ctx, "the progress of an operation could not be told", "error", err)
	}
}

// close lets go of an operation that is done with: it can still be read.
func (d *Desk) close(ctx context.Context, id int) error {
	return d.o.Store.Delete(ctx, openBucket, strconv.Itoa(id))
}

// opened are the ids of the operations that are not done with.
func (d *Desk) opened(ctx context.Context) (ids []int, err error) {
	err = d.o.Store.Each(ctx, openBucket, func(key string, _ []byte) bool {
		if id, err := strconv.Atoi(key); err == nil {
			ids = append(ids, id)
		}
		return true
	})
	return ids, err
}

// Watch is a place in the log of what operations have changed. It is for one reader.
type Watch struct {
	desk  *Desk
	after store.ID
}

// Watch begins with what changes from now on.
func (d *Desk) Watch(ctx context.Context) (*Watch, error) {
	newest, err := d.o.Store.Tail(ctx, progressLog, 1)
	if err != nil || len(newest) == 0 {
		return &Watch{desk: d}, err
	}
	return &Watch{d, newest[0].ID}, nil
}

// Next waits for changes, until ctx is done, and gives the ids of the operations.
func (w *Watch) Next(ctx context.Context) ([]int, error) {
	const most = 500
	entries, err := w.desk.o.Store.Read(ctx, progressLog, w.after, most, true)
	if err != nil {
		return nil, err
	}
	var ids []int
	for _, entry := range entries {
		w.after = entry.ID
		if id, err := strconv.Atoi(string(entry.Value)); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
