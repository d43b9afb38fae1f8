package graph

import (
	"context"
	"sync"
	"time"

	"github.com/vikstrous/dataloadgen"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
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
	*dataloadgen.Loader[K, M]

	mu       sync.Mutex
	expected []K
}

// expect tells which keys will be asked for soon, if any is. The id 0 is GLPI's "none".
func (l *keyed[K, M]) expect(keys ...K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var none K
	for _, key := range keys {
		if key != none {
			l.expected = append(l.expected, key)
		}
	}
}

// load reads what belongs to one key, together with what is expected.
func (l *keyed[K, M]) load(ctx context.Context, key K) (M, error) { return l.begin(ctx, key)() }

// begin begins to read what load will answer.
func (l *keyed[K, M]) begin(ctx context.Context, key K) func() (M, error) {
	l.mu.Lock()
	expected := l.expected
	l.expected = nil
	l.LoadAllThunk(ctx, expected) // queues them; the lock keeps others from being queued before
	thunk := l.LoadThunk(ctx, key)
	l.mu.Unlock()
	return thunk
}

// beginAll begins to read what belongs to keys, whatever becomes of it.
func (l *keyed[K, M]) beginAll(ctx context.Context, keys []K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.LoadAllThunk(ctx, keys)
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
	s, err := session(ctx)
	if err != nil {
		return nil, err
	}
	r := ctx.Value(loadersKey{}).(*response)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.loaders == nil {
		r.loaders = newLoaders(s)
	}
	return r.loaders, nil
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

func newLoader[T glpiproxy.Item, M any](s *glpiproxy.Session, wrap func(T) M) *loader[M] {
	return batched(func(ctx context.Context, ids []int) ([]M, []error) {
		wrapped, errs := make([]M, len(ids)), make([]error, len(ids))
		results, err := glpiproxy.GetMany[T](ctx, s, ids)
		for i := range ids {
			switch {
			case err != nil:
				errs[i] = err
			case results[i].Err != nil:
				errs[i] = results[i].Err
			default:
				wrapped[i] = wrap(results[i].Item)
			}
		}
		return wrapped, errs
	})
}

// batched is a loader that reads in its own way.
func batched[M any](read func(ctx context.Context, ids []int) ([]M, []error)) *loader[M] {
	return &loader[M]{Loader: dataloadgen.NewLoader(read, dataloadgen.WithWait(gather))}
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
