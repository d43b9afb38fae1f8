// Package enrolment enrols devices in GLPI on their behalf: the six calls that a phone needs become one, the session
// is closed in every case, and a refusal, to which GLPI has one text whatever the reason, is explained. It knows
// nothing of GraphQL, and logs no token, no password and no inventory.
package enrolment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/internal/invitation"
	"fleetgate/internal/store"
)

// Options configure an Office. GLPI, Bridge, Invitations and Store are required.
type Options struct {
	GLPI *glpiproxy.Client
	// Service is the session of the gateway's own account in GLPI, which reads why GLPI refuses and arms invitations
	// again that serve several devices; nil: there is none, and refusals stay unexplained.
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

// attempt is one enrolment under way.
type attempt struct {
	*Office
	guest   *glpiproxy.Guest
	device  device
	service *glpiproxy.Session   // nil: there is none
	before  glpiproxy.Invitation // as it was; zero: not known
	logged  int                  // the newest entry of its log before
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
	if err := a.prepare(ctx); err != nil {
		return Enrolled{}, err
	}
	// From here on a caller that goes away must not leave half of it.
	ctx = context.WithoutCancel(ctx)
	id, err := guest.Enroll(ctx, a.input())
	if err != nil {
		return Enrolled{}, a.failed(ctx, err)
	}
	return a.complete(ctx, id)
}

// prepare finds the invitation, where the service account may, and goes where it leads.
func (a *attempt) prepare(ctx context.Context) (err error) {
	if a.o.Service == nil {
		return nil
	}
	if a.service, err = a.o.Service(ctx); err != nil {
		a.service = nil
		a.o.Logger.WarnContext(ctx, "an enrolment goes on without the service account", "error", err)
		return nil
	}
	a.before, err = glpiproxy.InvitationByToken(ctx, a.service, a.guest.UserID(), a.device.invitationToken)
	if err != nil && glpiproxy.KindOf(err) == glpiproxy.NotFound {
		return failure(InvitationInvalid)
	}
	if err != nil {
		a.o.Logger.WarnContext(ctx, "an enrolment goes on without a look at its invitation", "error", err)
		a.service = nil
		return nil
	}
	entries, err := a.log(ctx)
	if err == nil && len(entries) > 0 {
		a.logged = entries[len(entries)-1].ID
	}
	if err := a.guest.Enter(ctx, a.before.EntityID); err != nil && glpiproxy.KindOf(err) != glpiproxy.Forbidden {
		return err
	}
	return nil
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
		return Enrolled{}, a.burnt(ctx, err)
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
	a.note(ctx, agentID)
	return done, nil
}

// note keeps which device came of the invitation, and sees whether another may follow.
func (a *attempt) note(ctx context.Context, agentID int) {
	if a.before.ID == 0 {
		return
	}
	err := errors.Join(
		a.o.Invitations.Enrolled(ctx, a.before.ID, a.before.EntityID, agentID),
		a.o.Store.Delete(ctx, failureBucket, bucketKey(a.before.ID)),
	)
	left, takeErr := a.o.Invitations.Take(ctx, a.before.ID)
	switch {
	case takeErr != nil:
		err = errors.Join(err, takeErr)
	case left > 0:
		err = errors.Join(err, a.rearm(ctx))
	default:
		err = errors.Join(err, a.o.Invitations.Retire(ctx, a.before.ID))
	}
	if err != nil {
		a.o.Logger.WarnContext(ctx, "what became of an invitation was not noted", "invitation", a.before.ID, "agent", agentID, "error", err)
	}
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
