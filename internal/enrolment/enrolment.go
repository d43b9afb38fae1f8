// Package enrolment enrols devices in GLPI on their behalf: the six calls that a phone needs become one, the session
// is closed in every case, and a refusal, to which GLPI has one text whatever the reason, is explained. It knows
// nothing of GraphQL, and logs no token, no password and no inventory.
package enrolment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/internal/invitation"
	"fleetgate/internal/store"
)

// Options configure an Office. GLPI, Bridge, Invitations and Store are required.
type Options struct {
	GLPI *glpiproxy.Client
	// Service is the session of the gateway's own account in GLPI, which sees to it that nobody takes another one's
	// device, reads why GLPI refuses, and arms invitations again that serve several devices. While it fails nobody
	// enrols. nil: there is none, and GLPI alone decides.
	Service     func(context.Context) (*glpiproxy.Session, error)
	Bridge      *bridge.Bridge
	Invitations *invitation.Desk
	Store       store.Store
	// ReservedSerials are accounts on the broker that no device may take: its serial becomes its account's name.
	ReservedSerials []string
	Now             func() time.Time // nil means time.Now
	Logger          *slog.Logger     // nil: silent
}

// Office enrols devices. It is safe for concurrent use.
type Office struct{ o Options }

// NewOffice makes an Office; it makes no call.
func NewOffice(o Options) (*Office, error) {
	if o.GLPI == nil || o.Bridge == nil || o.Invitations == nil || o.Store == nil {
		return nil, errors.New("enrolling needs GLPI, the bridge, the invitations and the store")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Office{o}, nil
}

// Enrolled is a device that was enrolled.
type Enrolled struct {
	Credentials glpiproxy.AgentCredentials
	Serial      string // also the name of the device's account on the broker
	// Warnings are for a person: what could not be done for the device beside enrolling it.
	Warnings []string
}

// attempt is one enrolment under way. What follows device is known only with the service account.
type attempt struct {
	*Office
	guest   *glpiproxy.Guest
	device  device
	service *glpiproxy.Session   // nil: there is none
	before  glpiproxy.Invitation // as it was
	logged  int                  // the newest entry of its log before; 0: none
}

// Enroll enrols a device. The error is a *Failure where it can be explained to the device's user.
func (o *Office) Enroll(ctx context.Context, r Request) (Enrolled, error) {
	d, err := r.check(o.o.ReservedSerials)
	if err != nil {
		return Enrolled{}, err
	}
	guest, err := o.o.GLPI.Guest(ctx, d.userToken)
	switch kind := glpiproxy.KindOf(err); {
	case err == nil:
	case kind == glpiproxy.BadCredentials, kind == glpiproxy.Forbidden:
		return Enrolled{}, failure(InvitationInvalid)
	default:
		return Enrolled{}, err
	}
	defer guest.End(ctx)
	a := &attempt{Office: o, guest: guest, device: d}
	if o.o.Service == nil {
		return a.enroll(ctx)
	}
	return a.watched(ctx)
}

// watched enrols the device while nothing else happens to the invitation or under the device's name. Until GLPI is asked
// to enrol it, a refusal costs nothing.
func (a *attempt) watched(ctx context.Context) (done Enrolled, err error) {
	if a.service, err = a.o.Service(ctx); err != nil {
		return done, fmt.Errorf("an enrolment needs the service account: %w", err)
	}
	if err := a.find(ctx); err != nil {
		return done, err
	}
	release, err := a.hold(ctx)
	if err != nil {
		return done, err
	}
	defer release()
	for _, step := range []func(context.Context) error{a.find, a.readLog, a.enter, a.checkClaim, a.begin} {
		if err := step(ctx); err != nil {
			return done, err
		}
	}
	return a.enroll(ctx)
}

// find reads the invitation as it is now.
func (a *attempt) find(ctx context.Context) (err error) {
	a.before, err = glpiproxy.InvitationByToken(ctx, a.service, a.guest.UserID(), a.device.invitationToken)
	if glpiproxy.KindOf(err) == glpiproxy.NotFound {
		return failure(InvitationInvalid)
	}
	return err
}

const (
	deviceBucket = "enrolment-device" // serial -> who enrols it now
	deviceKept   = 5 * time.Minute    // longer than any enrolment takes
	holdPatience = 20 * time.Second
)

// hold has the invitation and the name of the device to itself, on all replicas: two phones with one invitation follow
// each other, and of two people who claim one serial the second is refused.
func (a *attempt) hold(ctx context.Context) (release func(), err error) {
	releaseInvitation, err := a.o.Invitations.Hold(ctx, a.before.ID)
	if err != nil {
		return nil, busy(err)
	}
	waiting, cancel := context.WithTimeout(ctx, holdPatience)
	defer cancel()
	releaseDevice, err := store.Seize(waiting, a.o.Store, deviceBucket, strings.ToLower(a.device.Serial), deviceKept)
	if err != nil {
		releaseInvitation()
		return nil, busy(err)
	}
	return func() { releaseDevice(); releaseInvitation() }, nil
}

func busy(err error) error {
	if errors.Is(err, store.ErrTaken) {
		return &glpiproxy.Error{Kind: glpiproxy.Conflict, Operation: "enroll", Message: "another device is being enrolled with this invitation or under this name: try again in a minute"}
	}
	return err
}

// readLog notes where the invitation's log ends.
func (a *attempt) readLog(ctx context.Context) error {
	entry, err := a.lastEntry(ctx)
	a.logged = entry.ID
	return err
}

// enter goes where the invitation leads. A person who may not is left to GLPI.
func (a *attempt) enter(ctx context.Context) error {
	err := a.guest.Enter(ctx, a.before.EntityID)
	if glpiproxy.KindOf(err) == glpiproxy.Forbidden {
		return nil
	}
	return err
}

// checkClaim refuses to take a device away from somebody: GLPI would, whoever has it and in whatever company.
func (a *attempt) checkClaim(ctx context.Context) error {
	claim := glpiproxy.Claim{Serial: a.device.Serial, UUID: a.device.UUID, EntityID: a.before.EntityID, UserID: a.before.UserID}
	taken, err := claim.Taken(ctx, a.service)
	if err != nil {
		return fmt.Errorf("looking whose device it is: %w", err)
	}
	if taken {
		return a.report(ctx, Note{Code: DeviceTaken, LogID: a.logged}, a.before)
	}
	return nil
}

// begin notes that the try is under way: should the gateway die in the middle of it, the note tells what became of the
// invitation. One that is used up already can't be by this try.
func (a *attempt) begin(ctx context.Context) error {
	if a.before.Status != "pending" {
		return nil
	}
	return a.keep(ctx, a.before.ID, Note{Code: InvitationConsumed, Open: true, LogID: a.logged})
}

// enroll has GLPI make the device. From here on a caller that goes away must not leave half of it.
func (a *attempt) enroll(ctx context.Context) (Enrolled, error) {
	ctx = context.WithoutCancel(ctx)
	id, err := a.guest.Enroll(ctx, a.input())
	if err != nil {
		return Enrolled{}, a.failed(ctx, err)
	}
	return a.complete(ctx, id)
}

// input is what GLPI gets: each field, and the person's own names where the device tells none, since GLPI overwrites
// them.
func (a *attempt) input() glpiproxy.Enrolment {
	e := a.device.Enrolment
	if e.FirstName == "" && e.LastName == "" {
		e.FirstName, e.LastName = a.guest.Names()
	}
	e.InvitationToken = a.device.invitationToken
	return e
}

// complete gets the credentials of a device that GLPI has made, and sees to what is said to it and of it.
func (a *attempt) complete(ctx context.Context, agentID int) (Enrolled, error) {
	credentials, err := a.guest.Credentials(ctx, agentID)
	if err != nil { // to ask again does no harm: nobody has the password yet
		credentials, err = a.guest.Credentials(ctx, agentID)
	}
	if err != nil {
		a.o.Logger.ErrorContext(ctx, "a device was enrolled that got no credentials", "agent", agentID, "error", err)
		return Enrolled{}, a.consumed(ctx)
	}
	done := Enrolled{Credentials: credentials, Serial: a.device.Serial, Warnings: []string{}}
	key := bridge.DeviceKey{EntityID: credentials.EntityID, Serial: done.Serial}
	cleared, err := a.o.Bridge.Clear(ctx, bridge.Clearing{Device: key, Occasion: bridge.Enrolling})
	if err != nil || len(cleared.Left) > 0 {
		a.o.Logger.WarnContext(ctx, "old commands to a device that was enrolled again may be left on the broker",
			"agent", agentID, "left", cleared.Left, "error", err)
		done.Warnings = append(done.Warnings, "A lock or a wipe of this device's earlier life may still wait for it: the gateway could not clear it.")
	}
	a.o.Bridge.Learn([]bridge.Enrolled{{AgentID: agentID, Device: key}}, true)
	if err := a.settle(ctx, agentID); err != nil {
		a.o.Logger.WarnContext(ctx, "what became of an invitation was not noted", "invitation", a.before.ID, "agent", agentID, "error", err)
	}
	return done, nil
}

// settle keeps which device came of the invitation, and sees whether another may follow: with this one, armed again, or
// with the next one behind the same link. Without the service account only the link goes on.
func (a *attempt) settle(ctx context.Context, agentID int) error {
	if a.service == nil {
		return a.o.Invitations.RetireToken(ctx, a.device.invitationToken)
	}
	now := invitation.Sighting{InvitationID: a.before.ID, EntityID: a.before.EntityID, State: invitation.StateEnrolled}
	left, err := a.o.Invitations.Take(ctx, a.before.ID)
	if left > 0 {
		rearmErr := a.rearm(ctx)
		if rearmErr == nil {
			now.State = invitation.StatePending
		}
		err = errors.Join(err, rearmErr)
	} else if err == nil {
		err = a.o.Invitations.Retire(ctx, a.before.ID)
	}
	return errors.Join(err,
		a.keep(ctx, a.before.ID, Note{LogID: a.logged}),
		a.o.Invitations.Enrolled(ctx, now, agentID),
	)
}

// rearm makes an invitation good for the next device, as long as it was before.
func (a *attempt) rearm(ctx context.Context) error {
	pending := "pending"
	err := glpiproxy.UpdateItem(ctx, a.service, a.before.ID, glpiproxy.InvitationChange{Status: &pending, ExpiresAt: &a.before.ExpiresAt})
	if err != nil {
		return fmt.Errorf("arming an invitation again: %w", err)
	}
	return nil
}
