package graph

import (
	"context"
	"errors"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
	"fleetgate/internal/delivery"
	"fleetgate/internal/invitation"
)

// invitationEvents streams what happens to the invitations of the viewer's entities.
func (r *Resolver) invitationEvents(ctx context.Context, after *string) (<-chan *model.InvitationEvent, error) {
	s, err := readable[glpiproxy.Invitation](ctx)
	if err != nil {
		return nil, err
	}
	scope, err := s.Scope(ctx)
	if err != nil {
		return nil, err
	}
	watch, err := r.Invitations.Watch(ctx, goOnAfter(ctx, after))
	if errors.Is(err, invitation.ErrMissed) {
		return nil, resync()
	}
	if err != nil {
		return nil, err
	}
	leave, err := r.invitationStreams.take(scope.UserID, mostInvitationStreams)
	if err != nil {
		return nil, err
	}
	stream := &invitationStream{
		eventStream: eventStream{resolver: r, session: s, leave: leave}, watch: watch, events: make(chan *model.InvitationEvent),
	}
	go stream.run(ctx)
	return stepped(ctx, stream.events, describeInvitationEvent), nil
}

// invitationStream carries the events of one subscription from the store to its socket. Its goroutine ends with the
// subscription's context.
type invitationStream struct {
	eventStream
	watch  *invitation.Watch
	events chan *model.InvitationEvent
}

func (t *invitationStream) run(ctx context.Context) {
	defer close(t.events)
	defer t.leave()
	seeing, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer t.resolver.SignIn.WatchScope(t.session.Token(), func() {
		if _, err := t.scope(seeing); err != nil {
			end(err)
		}
	})()
	if err := t.forward(seeing); ctx.Err() == nil {
		delivery.Fail(ctx, err)
	}
}

// forward hands events on until it fails or ctx is done. What the viewer may see is asked of GLPI from time to time:
// rights that are taken away end the stream.
func (t *invitationStream) forward(ctx context.Context) error {
	for {
		if _, err := t.scope(ctx); err != nil {
			if err = t.lasting(err); err != nil {
				return err
			}
		}
		waiting, cancel := context.WithTimeout(ctx, scopeCheck)
		events, err := t.watch.Next(waiting)
		timedOut := waiting.Err() != nil
		cancel()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && !timedOut:
			return err
		}
		for _, event := range events {
			if err := t.hand(ctx, event); err != nil {
				return err
			}
		}
	}
}

// hand gives an event to the subscriber, where it is of an entity that they see now.
func (t *invitationStream) hand(ctx context.Context, event invitation.Event) error {
	scope, err := t.scope(ctx)
	if err != nil {
		return err
	}
	if !scope.SeesEntity(event.EntityID) {
		return nil
	}
	select {
	case t.events <- presentInvitationEvent(event):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// scope is what the viewer may see now; an error where that is no invitations any more.
func (t *invitationStream) scope(ctx context.Context) (*glpiproxy.Scope, error) {
	scope, err := t.session.Scope(ctx)
	if err == nil && !glpiproxy.Can[glpiproxy.Invitation](scope, glpiproxy.Read) {
		err = forbidden()
	}
	return scope, err
}

func presentInvitationEvent(e invitation.Event) *model.InvitationEvent {
	return &model.InvitationEvent{
		Cursor: e.Cursor, At: e.At.Truncate(time.Millisecond), Kind: model.InvitationEventKind(e.Kind),
		Entity: e.EntityID, Number: e.InvitationID, AgentNumber: e.AgentID,
	}
}

// resync says that a stream's cursor is too old.
func resync() error {
	return &coded{CodeResync, "events were missed: read the page again, then subscribe without a cursor"}
}
