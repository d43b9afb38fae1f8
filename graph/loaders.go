package graph

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/vikstrous/dataloadgen"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
	"fleetgate/internal/inturn"
	"fleetgate/internal/signin"
)

// gather is how long a loader waits for the resolvers of a page to name what they need. It is paid once a
// round, against a call to GLPI of ten milliseconds and more.
const gather = time.Millisecond

// loaders read related items in batches: one call to GLPI for all computers of a page instead of one each.
// They live as long as one response. Whoever reads a page tells them what its items point to (expect), so that
// the first item asked for brings the whole page's along, however slowly the resolvers come; the others
// gather what is left.
type loaders struct {
	entities      *loader[*model.Entity]
	fleets        *loader[*model.Fleet]
	users         *loader[*model.User]
	computers     *loader[*model.Computer]
	models        *loader[string]
	manufacturers *loader[string]
	types         *loader[string]

	emails       *loader[[]*model.UserEmail]
	grants       *loader[[]*model.ProfileGrant]
	titles       *loader[*model.NamedEntry]
	categories   *loader[*model.NamedEntry]
	locations    *loader[*model.NamedEntry]
	profileNames *loader[*model.NamedEntry]
	taskLoaders

	entityConfigs *loader[glpiproxy.EntityConfig]

	applications *loader[*model.Application]
	icons        *loader[*string]

	fileDeployments        *loader[[]glpiproxy.Task]
	applicationDeployments *loader[[]glpiproxy.Task]
	inventoryLoaders
	invitationLoaders
}

// loader reads items of one kind by GLPI's ids.
type loader[M any] = keyed[int, M]

// keyed reads what belongs to keys of one kind.
type keyed[K comparable, M any] struct {
	// kept gives at once those that need no call; nil: of this kind nothing is kept.
	kept func(ctx context.Context, keys []K) map[K]finding[M]
	read func(ctx context.Context, keys []K) ([]finding[M], error)

	mu     sync.Mutex
	known  map[K]finding[M]          // what was kept or has been read
	wanted []K                       // that are not kept
	queue  *dataloadgen.Loader[K, M] // made for the first that is not kept

	expecting sync.Mutex // apart: what is read of one kind says, under that one's lock, what is expected of others
	expected  []K
}

// finding is what was read, or why it could not be.
type finding[M any] struct {
	value M
	err   error
}

// expect tells which keys will be asked for soon, if any is. The id 0 is GLPI's "none".
func (l *keyed[K, M]) expect(keys ...K) {
	l.expecting.Lock()
	defer l.expecting.Unlock()
	var none K
	for _, key := range keys {
		if key != none {
			l.expected = append(l.expected, key)
		}
	}
}

// load reads what belongs to one key, together with what is expected. What is at hand is not waited for.
func (l *keyed[K, M]) load(ctx context.Context, key K) (M, error) {
	if found, ok := l.atHand(ctx, key); ok {
		return found.value, found.err
	}
	inturn.Waits(ctx)
	return l.begin(ctx, key)()
}

// atHand gives what is known or kept, for the keys expected too.
func (l *keyed[K, M]) atHand(ctx context.Context, key K) (found finding[M], ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if found, ok = l.known[key]; ok || l.kept == nil {
		return found, ok
	}
	keys := append(l.takeExpected(), key)
	kept := l.kept(ctx, keys)
	for _, key := range keys {
		if _, ok := kept[key]; !ok {
			l.wanted = append(l.wanted, key)
		}
	}
	l.know(kept)
	found, ok = kept[key]
	return found, ok
}

// know is called with the lock held.
func (l *keyed[K, M]) know(found map[K]finding[M]) {
	if l.known == nil {
		l.known = found
		return
	}
	maps.Copy(l.known, found)
}

func (l *keyed[K, M]) takeExpected() []K {
	l.expecting.Lock()
	defer l.expecting.Unlock()
	expected := l.expected
	l.expected = nil
	return expected
}

// begin begins to read what load will answer.
func (l *keyed[K, M]) begin(ctx context.Context, key K) func() (M, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.enqueue(ctx, append(l.wanted, l.takeExpected()...))
	l.wanted = nil
	return l.queue.LoadThunk(ctx, key)
}

// beginAll begins to read what belongs to keys, whatever becomes of it.
func (l *keyed[K, M]) beginAll(ctx context.Context, keys []K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.enqueue(ctx, keys)
}

// enqueue has keys read soon. It is called with the lock held, which keeps others from being queued in between.
func (l *keyed[K, M]) enqueue(ctx context.Context, keys []K) {
	if l.queue == nil {
		l.queue = dataloadgen.NewLoader(l.fetch, dataloadgen.WithWait(gather))
	}
	l.queue.LoadAllThunk(ctx, keys)
}

// fetch reads what is queued.
func (l *keyed[K, M]) fetch(ctx context.Context, keys []K) ([]M, []error) {
	findings, err := l.read(ctx, keys)
	if err != nil {
		return nil, []error{err}
	}
	values, errs, found := make([]M, len(keys)), make([]error, len(keys)), make(map[K]finding[M], len(keys))
	for i, one := range findings {
		values[i], errs[i], found[keys[i]] = one.value, one.err, one
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.know(found)
	return values, errs
}

// batched is a loader that reads in its own way, many keys at once: as many findings, or an error that is that of all.
func batched[K comparable, M any](read func(ctx context.Context, keys []K) ([]finding[M], error)) *keyed[K, M] {
	return &keyed[K, M]{read: read}
}

type loadersKey struct{}

// response is what the fields of one response share: who is asking, where that changes on the way, and the loaders.
type response struct {
	mu      sync.Mutex
	viewer  *signin.Viewer // who signed in during this response; nil: who came with the request
	loaders *loaders       // made when the first is asked for, since a response without a viewer needs none
	after   []func()       // to be called when it is ready
}

// withLoaders promises loaders to a response.
func withLoaders(ctx context.Context) context.Context {
	return context.WithValue(ctx, loadersKey{}, &response{})
}

// afterwards has something done when the response is ready to be sent.
func afterwards(ctx context.Context, do func()) {
	r := ctx.Value(loadersKey{}).(*response)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.after = append(r.after, do)
}

// ready does what waits for the response to be ready.
func ready(ctx context.Context) {
	r := ctx.Value(loadersKey{}).(*response)
	r.mu.Lock()
	after := r.after
	r.after = nil
	r.mu.Unlock()
	for _, do := range after {
		do()
	}
}

// signedIn has whatever the response reads from now on read by the one who has just signed in.
func signedIn(ctx context.Context, viewer *signin.Viewer) {
	r := ctx.Value(loadersKey{}).(*response)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.viewer, r.loaders = viewer, nil
}

// caller is who is asking: who signed in during this response, or else who came with the request.
func caller(ctx context.Context) (*signin.Viewer, error) {
	if r, _ := ctx.Value(loadersKey{}).(*response); r != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.viewer != nil {
			return r.viewer, nil
		}
	}
	return signin.FromContext(ctx)
}

// load is the response's loaders.
func load(ctx context.Context) (*loaders, error) {
	r, _ := ctx.Value(loadersKey{}).(*response)
	if made := r.made(); made != nil {
		return made, nil
	}
	s, err := session(ctx)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.loaders == nil {
		r.loaders = newLoaders(s)
	}
	return r.loaders, nil
}

// made are the loaders if there are any: those of whoever is asking.
func (r *response) made() *loaders {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.loaders
}

func newLoaders(s *glpiproxy.Session) *loaders {
	l := &loaders{
		entities: newLoader(s, func(e glpiproxy.Entity) *model.Entity { return &model.Entity{Entity: e} }),
		fleets:   newLoader(s, func(f glpiproxy.Fleet) *model.Fleet { return &model.Fleet{Fleet: f} }),

		models:        newLoader(s, func(m glpiproxy.ComputerModel) string { return m.Name }),
		manufacturers: newLoader(s, func(m glpiproxy.Manufacturer) string { return m.Name }),
		types:         newLoader(s, func(t glpiproxy.ComputerType) string { return t.Name }),

		entityConfigs: newLoader(s, func(c glpiproxy.EntityConfig) glpiproxy.EntityConfig { return c }),

		icons: newIconLoader(s),

		fileDeployments:        newDeploymentLoader(s, glpiproxy.TasksOfFiles),
		applicationDeployments: newDeploymentLoader(s, glpiproxy.TasksOfApplications),
		taskLoaders:            newTaskLoaders(s),
		inventoryLoaders:       newInventoryLoaders(s),
	}
	l.applications = newLoader(s, func(a glpiproxy.Application) *model.Application {
		l.entities.expect(a.EntityID)
		return &model.Application{Application: a, Whole: true}
	})
	l.computers = newLoader(s, func(c glpiproxy.Computer) *model.Computer {
		l.users.expect(c.UserID)
		l.models.expect(c.ModelID)
		l.manufacturers.expect(c.ManufacturerID)
		l.types.expect(c.TypeID)
		l.systems.expect(c.ID)
		return &model.Computer{Computer: c}
	})
	l.loadPeople(s)
	l.loadInvitations(s)
	return l
}

// newLoader is a loader of items, made of them by wrap. It may tell other loaders what it expects of them, and no more.
func newLoader[T glpiproxy.Item, M any](s *glpiproxy.Session, wrap func(T) M) *loader[M] {
	outcomeOf := func(result glpiproxy.Result[T]) (found finding[M]) {
		if found.err = result.Err; found.err == nil {
			found.value = wrap(result.Item)
		}
		return found
	}
	l := batched(func(ctx context.Context, ids []int) ([]finding[M], error) {
		results, err := glpiproxy.GetMany[T](ctx, s, ids)
		outcomes := make([]finding[M], len(results))
		for i, result := range results {
			outcomes[i] = outcomeOf(result)
		}
		return outcomes, err
	})
	l.kept = func(ctx context.Context, ids []int) map[int]finding[M] {
		kept := map[int]finding[M]{}
		for id, result := range glpiproxy.Kept[T](ctx, s, ids) {
			kept[id] = outcomeOf(result)
		}
		return kept
	}
	return l
}

// related reads the item that a foreign key points to: nothing for 0, which is GLPI's "none".
func related[M any](ctx context.Context, pick func(*loaders) *loader[*M], id int) (*M, error) {
	if id <= 0 {
		return nil, nil
	}
	return loaded(ctx, pick, id)
}

// loaded reads an item by its id, with the others of its kind that the page needs.
func loaded[M any](ctx context.Context, pick func(*loaders) *loader[M], id int) (M, error) {
	l, err := load(ctx)
	if err != nil {
		var none M
		return none, err
	}
	return pick(l).load(ctx, id)
}

// named reads the name of an entry of one of GLPI's lists of names.
func named(ctx context.Context, pick func(*loaders) *loader[string], id int) (*string, error) {
	if id <= 0 {
		return nil, nil
	}
	name, err := loaded(ctx, pick, id)
	if err != nil {
		return nil, err
	}
	return &name, nil
}

func entities(l *loaders) *loader[*model.Entity]          { return l.entities }
func fleets(l *loaders) *loader[*model.Fleet]             { return l.fleets }
func computers(l *loaders) *loader[*model.Computer]       { return l.computers }
func models(l *loaders) *loader[string]                   { return l.models }
func manufacturers(l *loaders) *loader[string]            { return l.manufacturers }
func types(l *loaders) *loader[string]                    { return l.types }
func applications(l *loaders) *loader[*model.Application] { return l.applications }
func icons(l *loaders) *loader[*string]                   { return l.icons }

func fileDeployments(l *loaders) *loader[[]glpiproxy.Task]        { return l.fileDeployments }
func applicationDeployments(l *loaders) *loader[[]glpiproxy.Task] { return l.applicationDeployments }
