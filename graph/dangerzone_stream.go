package graph

import (
	"context"
	"slices"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
	"fleetgate/internal/dangerzone"
	"fleetgate/internal/delivery"
)

const (
	// operationPause is the least time between two looks of a stream at its operation.
	operationPause = 200 * time.Millisecond
	// mostOperationStreams is how many a person may have open.
	mostOperationStreams = 100
)

// operationStream carries an operation to those who follow it. Its goroutine ends with the subscription's context, or when
// the operation is done.
type operationStream struct {
	eventStream
	id         int
	watch      *dangerzone.Watch
	operations chan *model.DangerZoneOperation
	shown      *model.DangerZoneOperation // the last one sent
}

// dangerZoneProgress streams an operation to those who may see it.
func (r *Resolver) dangerZoneProgress(ctx context.Context, globalID string) (<-chan *model.DangerZoneOperation, error) {
	id, err := parseID("operationId", "DangerZoneOperation", globalID)
	if err != nil {
		return nil, err
	}
	s, err := readable[glpiproxy.Agent](ctx)
	if err != nil {
		return nil, err
	}
	scope, err := s.Scope(ctx)
	if err != nil {
		return nil, err
	}
	watch, err := r.DangerZone.Watch(ctx) // before the first look, so that nothing is missed
	if err != nil {
		return nil, err
	}
	if _, err := r.dangerZoneOperation(withLoaders(ctx), id); err != nil {
		return nil, err
	}
	leave, err := r.operationStreams.take(scope.UserID, mostOperationStreams)
	if err != nil {
		return nil, err
	}
	stream := &operationStream{
		eventStream: eventStream{resolver: r, session: s, leave: leave}, id: id, watch: watch, operations: make(chan *model.DangerZoneOperation),
	}
	go stream.run(ctx)
	return stream.operations, nil
}

func (t *operationStream) run(ctx context.Context) {
	defer close(t.operations)
	defer t.leave()
	seeing, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer t.resolver.SignIn.WatchScope(t.session.Token(), func() {
		if _, err := t.resolver.dangerZoneOperation(withLoaders(seeing), t.id); err != nil {
			end(err) // after a switch nothing stays allowed by default
		}
	})()
	if err := t.forward(seeing); err != nil && ctx.Err() == nil {
		delivery.Fail(ctx, err)
	}
}

// forward sends the operation as it is and whenever it has changed, until it is done or the viewer may not see it.
func (t *operationStream) forward(ctx context.Context) error {
	for {
		op, err := t.resolver.dangerZoneOperation(withLoaders(ctx), t.id)
		if err != nil {
			err = t.lasting(err)
		}
		if err != nil {
			return err
		}
		if op != nil && !sameOperation(op, t.shown) {
			select {
			case t.operations <- op:
				t.shown = op
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if op != nil && op.Done {
			return nil
		}
		if err := t.wait(ctx); err != nil {
			return err
		}
	}
}

// wait waits until the operation has changed, or it is time to ask whether the viewer still sees it.
func (t *operationStream) wait(ctx context.Context) error {
	select {
	case <-time.After(operationPause):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	waiting, cancel := context.WithTimeout(ctx, scopeCheck)
	defer cancel()
	for {
		changed, err := t.watch.Next(waiting)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case waiting.Err() != nil:
			return nil
		case err != nil:
			return err
		case slices.Contains(changed, t.id):
			return nil
		}
	}
}

func sameOperation(a, b *model.DangerZoneOperation) bool {
	if b == nil || a.Done != b.Done {
		return false
	}
	return slices.EqualFunc(a.Targets, b.Targets, func(a, b *model.DangerZoneTarget) bool {
		return a.AgentID == b.AgentID && a.State == b.State && a.Message == b.Message && a.UpdatedAt.Equal(b.UpdatedAt)
	})
}
