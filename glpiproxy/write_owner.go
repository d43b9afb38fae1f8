package glpiproxy

import (
	"context"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"
)

// need is what a profile must be allowed for a write.
type need struct {
	right string
	bits  Right // all of them
}

func (n need) missing(scope *Scope) bool { return Right(scope.Rights[n.right])&n.bits != n.bits }

// The rights of Flyve MDM's entity settings. GLPI's API asks for all three of them
// for any change.
const (
	SetDeviceLimit Right = 128
	SetDownloadURL Right = 256
	SetTokenLife   Right = 512
)

// needFor is the right that a write takes. Those of a child are its parent's.
func needFor(operation, itemtype string) need {
	switch itemtype {
	case "PluginFlyvemdmTask": // and UPDATE on the target, which is looked at with it
		return need{traitsOf(itemtype).right, Read}
	case "PluginFlyvemdmEntityConfig":
		return need{traitsOf(itemtype).right, SetDeviceLimit | SetDownloadURL | SetTokenLife}
	case "UserEmail", "Profile_User":
		return need{"user", Update}
	}
	bits := map[string]Right{"create": Create, "update": Update, "delete": Purge, "purge": Purge}[operation]
	if operation == "delete" && (itemtype == "User" || itemtype == "Computer") { // to the trash
		bits = Delete
	}
	return need{traitsOf(itemtype).right, bits}
}

// outOfSight is the same for what isn't there and for what is another company's.
func (w *writer) outOfSight(itemtype string) error {
	return &Error{Kind: NotFound, Operation: w.operation, Message: "no such " + itemtype}
}

// homed is an item that belongs to an entity.
type homed interface{ home() int }

func (i Agent) home() int        { return i.EntityID }
func (i Fleet) home() int        { return i.EntityID }
func (i Invitation) home() int   { return i.EntityID }
func (i File) home() int         { return i.EntityID }
func (i Application) home() int  { return i.EntityID }
func (i Computer) home() int     { return i.EntityID }
func (i EntityConfig) home() int { return i.EntityID }
func (i Entity) home() int       { return i.ID }
func (i ProfileUser) home() int  { return i.EntityID }

// owned is an item that belongs to another one, which decides who may change it.
type owned interface{ owner() reference }

func (i Task) owner() reference        { return reference{string(i.Target.Kind), i.Target.ID} }
func (i Geolocation) owner() reference { return reference{Computer{}.itemtype(), i.ComputerID} }
func (i UserEmail) owner() reference   { return reference{User{}.itemtype(), i.UserID} }
func (i ProfileUser) owner() reference { return reference{User{}.itemtype(), i.UserID} }

// seeItems reads the items that are to be written, now and with the viewer's own
// eyes, and settles those that are out of sight. GLPI does not check them all.
func seeItems[T Item](ctx context.Context, w *writer) (map[int]Result[Item], error) {
	seen := map[int]bool{}
	for i, outcome := range w.outcomes {
		if err := checkID(w.operation, zeroed(w.itemtype), outcome.ID); err != nil {
			w.outcomes[i].Err = err
		} else if seen[outcome.ID] {
			return nil, &Error{Kind: Invalid, Operation: w.operation, Message: "an id is there twice"}
		}
		seen[outcome.ID] = true
	}
	items, err := freshItems[T](ctx, w.s, w.ids(w.sound()))
	if err != nil {
		return nil, err
	}
	for _, i := range w.sound() {
		w.outcomes[i].Err = w.maySet(w.itemtype, items[w.outcomes[i].ID])
	}
	return items, nil
}

// zeroed are the traits of a type for a write: the root entity has settings too.
func zeroed(itemtype string) traits {
	t := traitsOf(itemtype)
	t.hasZero = t.hasZero || itemtype == EntityConfig{}.itemtype()
	return t
}

// sound are the outcomes that nothing speaks against so far.
func (w *writer) sound() (indexes []int) {
	for i, outcome := range w.outcomes {
		if outcome.Err == nil {
			indexes = append(indexes, i)
		}
	}
	return indexes
}

// maySet tells whether an item that was read can be written by the viewer.
func (w *writer) maySet(itemtype string, result Result[Item]) error {
	switch {
	case result.Err != nil:
		return w.outOfSight(itemtype)
	case !w.atHome(result.Item):
		return &Error{Kind: Forbidden, Operation: w.operation, Message: "the " + itemtype + " belongs to an entity that is not active"}
	}
	return nil
}

// atHome tells whether an item belongs to an active entity, or to none.
func (w *writer) atHome(item Item) bool {
	i, has := item.(homed)
	return !has || w.scope.SeesEntity(i.home())
}

// seeLinks reads what the inputs name and what the items belong to, and settles the
// writes for which one of these is out of sight.
func (w *writer) seeLinks(ctx context.Context, items map[int]Result[Item]) error {
	wanted := map[string][]int{}
	owners := map[int]reference{}
	want := func(link reference) {
		if _, known := w.known[link]; !known {
			wanted[link.itemtype] = append(wanted[link.itemtype], link.id)
		}
	}
	for _, i := range w.sound() {
		for _, link := range w.fields[i].links {
			want(link)
		}
		if item, ok := items[w.outcomes[i].ID].Item.(owned); ok {
			owners[i] = item.owner()
			want(owners[i])
		}
	}
	if err := w.know(ctx, wanted); err != nil {
		return err
	}
	for _, i := range w.sound() {
		links := w.fields[i].links
		if owner, ok := owners[i]; ok {
			links = append([]reference{owner}, links...)
		}
		for _, link := range links {
			if result, known := w.known[link]; !known || result.Err != nil {
				w.outcomes[i].Err = w.outOfSight(link.itemtype)
				break
			}
		}
		if w.outcomes[i].Err == nil && w.itemtype == (Task{}).itemtype() {
			w.outcomes[i].Err = w.mayTarget(links[0])
		}
	}
	return nil
}

// mayTarget tells whether the viewer may change what a task applies to. GLPI asks
// for that too, but not when a task is deleted.
func (w *writer) mayTarget(target reference) error {
	if (need{traitsOf(target.itemtype).right, Update}).missing(w.scope) {
		return &Error{Kind: Forbidden, Operation: w.operation, Message: "the profile lacks the right on " + traitsOf(target.itemtype).right}
	}
	return w.maySet(target.itemtype, w.known[target])
}

// know reads items of several types side by side.
func (w *writer) know(ctx context.Context, wanted map[string][]int) error {
	types := slices.Sorted(maps.Keys(wanted))
	found := make([]map[int]Result[Item], len(types))
	group, ctx := errgroup.WithContext(ctx)
	for n, itemtype := range types {
		read, ok := linkReaders[itemtype]
		if !ok { // a task's target that is neither an agent nor a fleet
			continue
		}
		group.Go(func() (err error) {
			found[n], err = read(ctx, w.s, wanted[itemtype])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for n, itemtype := range types {
		for id, result := range found[n] {
			w.known[reference{itemtype, id}] = result
		}
	}
	return nil
}

// linkReaders read what an item can belong to or name. Words that are nobody's may
// come from the cache.
var linkReaders = map[string]freshReader{
	Agent{}.itemtype():        freshItems[Agent],
	Fleet{}.itemtype():        freshItems[Fleet],
	Computer{}.itemtype():     freshItems[Computer],
	User{}.itemtype():         freshItems[User],
	File{}.itemtype():         freshItems[File],
	Application{}.itemtype():  freshItems[Application],
	Policy{}.itemtype():       cachedItems[Policy],
	UserTitle{}.itemtype():    cachedItems[UserTitle],
	UserCategory{}.itemtype(): cachedItems[UserCategory],
	Location{}.itemtype():     cachedItems[Location],
}
