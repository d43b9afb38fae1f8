package bridge

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
)

// eventLog keeps the latest events, each under its sequence number, which counts from 1.
type eventLog struct {
	ring []*Event
	next uint64 // sequence number of the next event
	// seal makes cursors opaque. Its key lives and dies with this process, so a cursor of another one doesn't
	// open; and nobody reads from a cursor how much happens in companies that are not theirs.
	seal cipher.Block
}

func newEventLog(size int) *eventLog {
	key := make([]byte, 16)
	rand.Read(key)
	seal, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // only for a key of another length
	}
	return &eventLog{ring: make([]*Event, size), next: 1, seal: seal}
}

// add appends an event and gives it its cursor.
func (l *eventLog) add(e *Event) {
	e.Cursor = l.cursor(l.next)
	l.ring[l.next%uint64(len(l.ring))] = e
	l.next++
}

// oldest is the sequence number of the oldest event kept, or of the next one when there is none.
func (l *eventLog) oldest() uint64 {
	if kept := uint64(len(l.ring)); l.next > kept {
		return l.next - kept
	}
	return 1
}

// at is the event of a sequence number between oldest and next.
func (l *eventLog) at(sequence uint64) *Event { return l.ring[sequence%uint64(len(l.ring))] }

func (l *eventLog) cursor(sequence uint64) string {
	var block [aes.BlockSize]byte
	binary.BigEndian.PutUint64(block[8:], sequence)
	l.seal.Encrypt(block[:], block[:])
	return base64.RawURLEncoding.EncodeToString(block[:])
}

// after is the sequence number that follows a cursor; ErrResync when the cursor is not of this log, or when
// events after it are gone.
func (l *eventLog) after(cursor string) (uint64, error) {
	var block [aes.BlockSize]byte
	if len(cursor) != base64.RawURLEncoding.EncodedLen(len(block)) {
		return 0, ErrResync
	}
	if _, err := base64.RawURLEncoding.Strict().Decode(block[:], []byte(cursor)); err != nil {
		return 0, ErrResync
	}
	l.seal.Decrypt(block[:], block[:])
	sequence := binary.BigEndian.Uint64(block[8:])
	if binary.BigEndian.Uint64(block[:8]) != 0 || sequence >= l.next || sequence+1 < l.oldest() {
		return 0, ErrResync
	}
	return sequence + 1, nil
}
