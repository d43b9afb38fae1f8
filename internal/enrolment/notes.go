package enrolment

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/internal/invitation"
)

const (
	failureBucket = "enrolment-failure" // invitation id -> Note
	failureKept   = 400 * 24 * time.Hour
	longestText   = 200 // characters of GLPI's words
)

// Note is how the latest try to enrol with an invitation ended.
type Note struct {
	At   time.Time `json:"at"`
	Code Code      `json:"code,omitempty"` // "": the device was enrolled
	Text string    `json:"text,omitempty"` // GLPI's own words, where it had some
	// Open: it has not ended. The code is what it will have been if it never does.
	Open bool `json:"open,omitempty"`
	// LogID is the newest entry of the invitation's log that is no news after it; 0: none.
	LogID int `json:"log,omitempty"`
}

// Failed tells whether the try failed at an invitation that is used up or not, as far as is known now.
func (n Note) Failed(used bool, now time.Time) bool {
	if used {
		return n.Code == InvitationConsumed && (!n.Open || now.Sub(n.At) > deviceKept)
	}
	return n.Code != "" && n.Code != InvitationConsumed
}

// Message is the failure in words; GLPI's are there where the code says too little.
func (n Note) Message() string {
	message := messages[n.Code]
	if n.Text == "" || n.Code != Refused && n.Code != InvitationConsumed {
		return message
	}
	words := []rune(n.Text)
	return message + " It says: " + string(words[:min(len(words), longestText)])
}

// Logged is the Note of an entry in an invitation's log: of a try past the gateway.
func Logged(entry glpiproxy.InvitationLog) Note {
	code, known := codeOf(entry.Event)
	if !known {
		code = Refused
	}
	return Note{At: entry.At, Code: code, Text: entry.Event, LogID: entry.ID}
}

// report keeps a failure with its invitation, tells those who watch it, and answers it. now is how the invitation is.
func (a *attempt) report(ctx context.Context, why Note, now glpiproxy.Invitation) error {
	seen := invitation.Sighting{
		InvitationID: now.ID, EntityID: now.EntityID, State: invitation.StateOf(now.Status, now.ExpiresAt, a.o.Now()), LogID: why.LogID,
		Quiet: why.Code == InvitationConsumed, // it looks like one that a device has enrolled with
	}
	err := a.keep(ctx, now.ID, why)
	if err == nil {
		err = a.o.Invitations.Failed(ctx, seen)
	}
	if err != nil {
		a.o.Logger.WarnContext(ctx, "a failed enrolment was not noted", "invitation", now.ID, "error", err)
	}
	return &Failure{Code: why.Code, Message: why.Message(), Field: fields[why.Code]}
}

func (o *Office) keep(ctx context.Context, invitationID int, n Note) error {
	n.At = o.o.Now().UTC()
	value, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return o.o.Store.Put(ctx, failureBucket, strconv.Itoa(invitationID), value, failureKept)
}

// Notes are how the latest tries through the gateway ended, by the invitation's id; those that nobody tried are left out.
func (o *Office) Notes(ctx context.Context, invitationIDs []int) (map[int]Note, error) {
	keys := make([]string, len(invitationIDs))
	for i, id := range invitationIDs {
		keys[i] = strconv.Itoa(id)
	}
	values, err := o.o.Store.GetMany(ctx, failureBucket, keys)
	if err != nil {
		return nil, fmt.Errorf("reading the notes on enrolments: %w", err)
	}
	notes := map[int]Note{}
	for i, value := range values {
		var n Note
		if value == nil {
			continue
		}
		if err := json.Unmarshal(value, &n); err != nil {
			return nil, fmt.Errorf("reading the notes on enrolments: %w", err)
		}
		notes[invitationIDs[i]] = n
	}
	return notes, nil
}
