package invitation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const (
	batchBucket = "invitation-batch" // HMAC of who invites whom -> where GLPI stood when it began
	// batchKept is how long one that broke off can be gone on with, and an answer is kept.
	batchKept = 24 * time.Hour
	// batchQuiet is how long after its last sign of life a batch counts as broken off: longer than a call to GLPI takes,
	// since GLPI goes on with the last one for a gateway that died.
	batchQuiet = 10 * time.Second
)

// Standing is where GLPI stood when people began to be invited: what has a higher id came later.
type Standing struct {
	InvitationID int `json:"invitation"`
	UserID       int `json:"user"`
}

// Batch is an invitation of many people under way. It is noted from its begin until its answer is ready, so that who
// asks for the same again after a restart is given what was done, and nobody is invited twice.
type Batch struct {
	Standing
	// Again says that the same was begun before, and broke off.
	Again bool

	desk   *Desk
	name   string
	answer []byte // sealed; nil: it is to be done
}

// batchNote is a batch as it lies in the store.
type batchNote struct {
	Standing
	Seen   time.Time `json:"seen"`             // its last sign of life
	Answer []byte    `json:"answer,omitempty"` // sealed; of one that is done
}

// ErrUnderWay says that the same people are being invited at this moment.
var ErrUnderWay = errors.New("the same people are being invited already")

// BeginBatch notes that people begin to be invited; call it before anything is done. what says by whom and how, the same
// text for the same wish; now is where GLPI stands. ErrUnderWay: see there.
func (d *Desk) BeginBatch(ctx context.Context, what string, now Standing) (*Batch, error) {
	b := &Batch{Standing: now, desk: d, name: d.seal.name("batch", what)}
	for range swapTries {
		old, err := d.store.Get(ctx, batchBucket, b.name)
		if err != nil {
			return nil, err
		}
		if old != nil {
			var note batchNote
			if err := json.Unmarshal(old, &note); err != nil {
				return nil, fmt.Errorf("reading who is being invited: %w", err)
			}
			if b.answer = note.Answer; b.answer != nil {
				return b, nil
			}
			if d.now().Before(note.Seen.Add(batchQuiet)) {
				return nil, ErrUnderWay
			}
			b.Standing, b.Again = note.Standing, true
		}
		value, err := b.value()
		if err != nil {
			return nil, err
		}
		first, err := d.store.Swap(ctx, batchBucket, b.name, old, value, batchKept)
		if err != nil {
			return nil, fmt.Errorf("noting who is being invited: %w", err)
		}
		if first {
			return b, nil
		}
		b.Standing, b.Again = now, false
	}
	return nil, errBusy
}

// GoOn is a sign of life: call it before each call to GLPI that makes people or invitations.
func (b *Batch) GoOn(ctx context.Context) error {
	value, err := b.value()
	if err != nil {
		return err
	}
	return b.desk.store.Put(ctx, batchBucket, b.name, value, batchKept)
}

// End forgets the batch: who asks again wants everybody invited again.
func (b *Batch) End(ctx context.Context) error { return b.desk.store.Delete(ctx, batchBucket, b.name) }

// Keep ends the batch with what came of it, as JSON can have it: for a day, who asks for the same again gets that. It is
// for wishes that differ from every other one by a key of the client's: without one a second wish looks like the first.
func (b *Batch) Keep(ctx context.Context, answer any) (err error) {
	if b.answer, err = b.desk.seal.close(b.place(), answer); err != nil {
		return fmt.Errorf("sealing who was invited: %w", err)
	}
	return b.GoOn(ctx)
}

// Answer reads what came of the batch before; false: it is to be done.
func (b *Batch) Answer(into any) (done bool, err error) {
	if b.answer == nil {
		return false, nil
	}
	return true, b.desk.seal.open(b.place(), b.answer, into)
}

func (b *Batch) place() string { return "batch " + b.name }

// value is what lies in the store of a batch.
func (b *Batch) value() ([]byte, error) {
	return json.Marshal(batchNote{b.Standing, b.desk.now().UTC(), b.answer})
}
