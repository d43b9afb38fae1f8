package glpiproxy

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
)

// Creation is what a new T is made of; the inputs of this package that end in
// Input.
type Creation[T Item] interface {
	creates(T)
	write(*fields)
}

// Change is what is to be changed of a T; the inputs of this package that end in
// Change. Only the fields that are not nil are sent.
type Change[T Item] interface {
	changes(T)
	write(*fields)
}

// Edit is a change of one item.
type Edit[C any] struct {
	ID     int
	Change C
}

// Deletable are the item types that can be deleted.
type Deletable interface {
	Agent | Computer | Fleet | Task | Invitation | File | Application | Geolocation | User | UserEmail | ProfileUser
	Item
}

const (
	// MaxWrites is how many items one call of CreateMany, UpdateMany or DeleteMany
	// takes.
	MaxWrites = 500
	// writeBatch is how many of them go to GLPI at once.
	writeBatch = 100
)

// CreateItem makes an item and tells its id. Errors: Invalid (with GLPI's message),
// Forbidden, NotFound (something that the input names is out of the viewer's
// sight), and those of a write in doubt: Upstream, Timeout, Unavailable.
func CreateItem[C Creation[T], T Item](ctx context.Context, s *Session, input C) (int, error) {
	outcomes, err := CreateMany(ctx, s, []C{input})
	if err != nil {
		return 0, err
	}
	return outcomes[0].ID, outcomes[0].Err
}

// CreateMany makes items in few calls. The outcomes are in the order of the inputs;
// the error is for what was wrong before anything was sent.
func CreateMany[C Creation[T], T Item](ctx context.Context, s *Session, inputs []C) (Outcomes, error) {
	var kind T
	w, err := newWriter(ctx, s, "create", kind.itemtype(), len(inputs))
	if err != nil {
		return nil, err
	}
	for i, input := range inputs {
		w.add(i, 0, input.write)
	}
	if err := w.seeLinks(ctx, nil); err != nil {
		return nil, err
	}
	w.send(ctx, nil)
	return w.outcomes, nil
}

// UpdateItem changes an item and makes sure that GLPI has done it. Errors: NotFound (no
// such item in the viewer's sight, or one that the change names), Forbidden, Invalid
// (with GLPI's message), Unchanged (with its Fields), and those of a write in doubt:
// Upstream, Timeout, Unavailable.
func UpdateItem[C Change[T], T Item](ctx context.Context, s *Session, id int, change C) error {
	outcomes, err := UpdateMany(ctx, s, []Edit[C]{{id, change}})
	if err != nil {
		return err
	}
	return outcomes[0].Err
}

// UpdateMany changes items in few calls. The outcomes are in the order of the edits;
// the error is for what was wrong before anything was sent.
func UpdateMany[C Change[T], T Item](ctx context.Context, s *Session, edits []Edit[C]) (Outcomes, error) {
	var kind T
	w, err := newWriter(ctx, s, "update", kind.itemtype(), len(edits))
	if err != nil {
		return nil, err
	}
	for i, edit := range edits {
		w.add(i, edit.ID, edit.Change.write)
	}
	items, err := seeItems[T](ctx, w)
	if err != nil {
		return nil, err
	}
	if err := w.seeLinks(ctx, items); err != nil {
		return nil, err
	}
	for i, edit := range edits {
		if rule, ok := any(edit.Change).(rule[T]); ok && w.outcomes[i].Err == nil {
			w.outcomes[i].Err = rule.suits(ctx, w, items[edit.ID].Item.(T))
		}
	}
	w.send(ctx, func(ctx context.Context) { verify(ctx, w, edits) })
	return w.outcomes, nil
}

// rule is a change that doesn't suit every item.
type rule[T Item] interface {
	suits(context.Context, *writer, T) error
}

// DeleteItem is DeleteMany of one item.
func DeleteItem[T Deletable](ctx context.Context, s *Session, id int) error {
	outcomes, err := DeleteMany[T](ctx, s, []int{id})
	if err != nil {
		return err
	}
	return outcomes[0].Err
}

// DeleteMany deletes items in few calls: users and computers go to the trash, all others for good.
// The outcomes are in the order of the ids; the error is for what was wrong before
// anything was sent. An item that GLPI deletes before it fails is a success.
func DeleteMany[T Deletable](ctx context.Context, s *Session, ids []int) (Outcomes, error) {
	return deleteMany[T](ctx, s, "delete", ids)
}

// PurgeUsers deletes users for good, from the trash or not. Their invitations go
// with them and their computers stay, without an owner.
func PurgeUsers(ctx context.Context, s *Session, ids []int) (Outcomes, error) {
	return deleteMany[User](ctx, s, "purge", ids)
}

// PurgeComputers deletes computers for good, from the trash or not. The agents on them go with them, without what the
// deletion of an agent ends.
func PurgeComputers(ctx context.Context, s *Session, ids []int) (Outcomes, error) {
	return deleteMany[Computer](ctx, s, "purge", ids)
}

func deleteMany[T Deletable](ctx context.Context, s *Session, operation string, ids []int) (Outcomes, error) {
	var kind T
	w, err := newWriter(ctx, s, operation, kind.itemtype(), len(ids))
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		w.add(i, id, func(*fields) {})
	}
	items, err := seeItems[T](ctx, w)
	if err != nil {
		return nil, err
	}
	if err := w.seeLinks(ctx, items); err != nil {
		return nil, err
	}
	for i, id := range ids {
		if fleet, ok := items[id].Item.(Fleet); ok && fleet.Default && w.outcomes[i].Err == nil {
			w.outcomes[i].Err = &Error{Kind: Invalid, Operation: operation, Message: "the fleet of an entity's unmanaged devices can't be deleted"}
		}
	}
	w.send(ctx, func(ctx context.Context) { concludeDeletion[T](ctx, w) })
	return w.outcomes, nil
}

// writer carries out one write of some items of a type.
type writer struct {
	s         *Session
	scope     *Scope
	operation string // create, update, delete or purge
	itemtype  string
	outcomes  Outcomes
	fields    []*fields
	doubts    []int // the outcomes that are not known
	known     map[reference]Result[Item]
}

// newWriter refuses what the viewer's profile has no right for, which GLPI would
// tell only in words of the session's language.
func newWriter(ctx context.Context, s *Session, operation, itemtype string, n int) (*writer, error) {
	scope, err := s.Scope(ctx)
	if err == nil {
		err = checkViewer(operation, itemtype, scope)
	}
	if err != nil {
		return nil, err
	}
	if need := needFor(operation, itemtype); need.missing(scope) {
		return nil, &Error{Kind: Forbidden, Operation: operation, Message: "the profile lacks the right on " + need.right}
	}
	if n > MaxWrites {
		return nil, &Error{Kind: Invalid, Operation: operation, Message: fmt.Sprintf("at most %d items at once", MaxWrites)}
	}
	return &writer{
		s: s, scope: scope, operation: operation, itemtype: itemtype,
		outcomes: make(Outcomes, n), fields: make([]*fields, n), known: map[reference]Result[Item]{},
	}, nil
}

// add takes an input in.
func (w *writer) add(i, id int, write func(*fields)) {
	f := newFields(w.scope.location)
	write(f)
	w.fields[i], w.outcomes[i] = f, Outcome{ID: id, Err: f.err}
	for _, entity := range f.homes {
		if !w.scope.SeesEntity(entity) && f.err == nil {
			w.outcomes[i].Err = w.outOfSight("Entity")
		}
	}
}

// call is the request for some of the items.
func (w *writer) call(batch []int) call {
	k := call{operation: w.operation, path: "/" + w.itemtype, once: true}
	k.slow = w.fields[batch[0]].slow
	k.lasting = k.slow
	k.method = map[string]string{"create": http.MethodPost, "update": http.MethodPut}[w.operation]
	inputs := make([]map[string]any, len(batch))
	for n, i := range batch {
		inputs[n] = w.fields[i].input
		k.secrets = append(k.secrets, w.fields[i].secrets...)
		if w.operation != "create" {
			inputs[n]["id"] = w.outcomes[i].ID
		}
	}
	body := map[string]any{"input": inputs}
	if len(batch) == 1 {
		body["input"] = inputs[0]
		if id := w.outcomes[batch[0]].ID; w.operation != "create" && id > 0 {
			k.path += "/" + strconv.Itoa(id)
		}
	}
	if k.method == "" {
		k.method = http.MethodDelete
		if w.operation == "purge" {
			body["force_purge"] = true
		}
	}
	k.body = body
	return k
}
