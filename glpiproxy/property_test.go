package glpiproxy_test

import (
	"context"
	"flag"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fleetgate/glpiproxy"
	"fleetgate/internal/sim/glpi"
)

// TestTheCacheCanBeTrusted has several viewers read at random through one client with a cache that never forgets by
// itself, while they and others write, and compares every answer with that of GLPI to the same viewer. After a write
// through the client, and after others' changes were invalidated, the answers must be equal. In between they may be
// old, but never hold a row of an entity that the viewer can't see. It goes on for 10 seconds, for 40 with
// FLEETGATE_REAL=1.
func TestTheCacheCanBeTrusted(t *testing.T) {
	budget := 10 * time.Second
	if os.Getenv("FLEETGATE_REAL") != "" {
		budget = 40 * time.Second
	}
	if err := flag.Set("rapid.checks", "1"); err != nil { // a check lasts some seconds: their number is up to the budget
		t.Fatal(err)
	}
	for began := time.Now(); time.Since(began) < budget && !t.Failed(); {
		rapid.Check(t, tryTheCache)
	}
}

func tryTheCache(r *rapid.T) {
	w := newTrial(r)
	defer w.close()
	r.Repeat(map[string]func(*rapid.T){
		"read":              w.read,
		"read again":        w.read,
		"read in a crowd":   w.crowd,
		"write":             w.write,
		"write amid reads":  w.writeAmidReads,
		"switch":            w.switchScope,
		"change by others":  w.changeByOthers,
		"change by devices": w.changeByDevices,
		"invalidate":        w.invalidate,
	})
}

// trial is one world: a simulated GLPI, a client with a cache and one without, and some viewers.
type trial struct {
	glpi          *glpi.Server
	server        *httptest.Server
	cached, plain *glpiproxy.Client
	viewers       []*glpiproxy.Session // of the cached client
	service       *glpiproxy.Session   // one of them, who may do everything
	root          *glpiproxy.Session   // of the plain one, who changes things past the cached one
	devices       []glpi.DemoDevice
	ids           map[string][]int // of all companies, and some that are none
	profiles      []int
	entities      []int
	created       int
	pending       []func() // invalidations for what was changed past the cached client
}

func newTrial(r *rapid.T) *trial {
	w := &trial{glpi: glpi.New(glpi.Options{Seed: 7, Daemon: true}), ids: map[string][]int{}}
	seeded := w.glpi.SeedDemo(glpi.DemoOptions{Devices: 6, Seed: 1})
	w.devices = seeded.Devices
	w.server = httptest.NewServer(w.glpi)
	now := time.Now()
	var clock sync.Mutex
	options := glpiproxy.Options{URL: w.server.URL + "/glpi", Location: time.UTC, CacheTTL: time.Hour}
	w.cached = got(glpiproxy.New(options))(r)
	options.CacheTTL, options.Now = -1, func() time.Time { // who somebody is, is asked anew each time too
		clock.Lock()
		defer clock.Unlock()
		now = now.Add(time.Minute)
		return now
	}
	w.plain = got(glpiproxy.New(options))(r)
	ctx := context.Background()
	w.root = got(w.plain.SignInWithToken(ctx, seeded.ServiceToken))(r)
	poor := got(got(w.cached.SignIn(ctx, "viewer@acme.test", glpi.DemoPassword))(r).Scope(ctx))(r)
	admin := got(got(w.cached.SignIn(ctx, "admin@acme.test", glpi.DemoPassword))(r).Scope(ctx))(r)
	got(glpiproxy.CreateItem(ctx, w.root, glpiproxy.ProfileUserInput{
		UserID: admin.UserID, ProfileID: poor.Profile.ID, EntityID: admin.EntityID, Recursive: true,
	}))(r)
	w.profiles = []int{admin.Profile.ID, poor.Profile.ID}
	for _, name := range []string{"admin@acme.test", "admin@acme.test", "admin@globex.test", "viewer@acme.test"} {
		w.viewers = append(w.viewers, got(w.cached.SignIn(ctx, name, glpi.DemoPassword))(r))
	}
	w.service = got(w.cached.SignInWithToken(ctx, seeded.ServiceToken))(r)
	w.viewers = append(w.viewers, w.service)
	w.entities = got(w.root.Scope(ctx))(r).EntityIDs
	collect[glpiproxy.Fleet](r, w)
	collect[glpiproxy.Agent](r, w)
	collect[glpiproxy.Computer](r, w)
	collect[glpiproxy.Invitation](r, w)
	collect[glpiproxy.User](r, w)
	return w
}

func (w *trial) close() {
	_, _ = w.cached.Close(), w.plain.Close()
	w.server.Close()
}

// collect notes the ids of all items of a type, of all companies.
func collect[T glpiproxy.Item](r *rapid.T, w *trial) {
	page := got(glpiproxy.Search[T](context.Background(), w.root, glpiproxy.Query{Range: glpiproxy.Range{Count: 500}}))(r)
	name := typeName[T]()
	for _, row := range page.Rows {
		w.ids[name] = append(w.ids[name], row.ID())
	}
	w.ids[name] = append(w.ids[name], 999_999)
}

func typeName[T any]() string { return reflect.TypeFor[T]().Name() }

func got[V any](v V, err error) func(*rapid.T) V {
	return func(r *rapid.T) V {
		r.Helper()
		if err != nil {
			r.Fatal(err)
		}
		return v
	}
}

func (w *trial) viewer(r *rapid.T) *glpiproxy.Session {
	return rapid.SampledFrom(w.viewers).Draw(r, "viewer")
}

// read compares an answer with GLPI's.
func (w *trial) read(r *rapid.T) { w.compare(r, w.viewer(r), w.anyProbe(r)) }

func (w *trial) compare(r *rapid.T, viewer *glpiproxy.Session, p probe) {
	r.Helper()
	said := answered(p.read(viewer))
	s := w.plain.Resume(viewer.Token())
	if len(w.pending) > 0 {
		scope := got(s.Scope(context.Background()))(r)
		if strange := foreign(reflect.ValueOf(said), scope); strange != nil {
			r.Fatalf("%s: a row of an entity out of the viewer's sight: %+v", p.name, strange)
		}
		return
	}
	if truth := answered(p.read(s)); !reflect.DeepEqual(said, truth) {
		r.Fatalf("%s: the cache says\n%+v\nGLPI says\n%+v", p.name, said, truth)
	}
}

// foreign finds an item of an entity that a viewer can't see. People are of no entity, and recursive items of those
// above it may be seen.
func foreign(v reflect.Value, scope *glpiproxy.Scope) any {
	switch v.Kind() {
	case reflect.Interface:
		return foreign(v.Elem(), scope)
	case reflect.Slice:
		for i := range v.Len() {
			if strange := foreign(v.Index(i), scope); strange != nil {
				return strange
			}
		}
	case reflect.Struct:
		if items := v.FieldByName("Items"); items.IsValid() {
			return foreign(items, scope)
		}
		entity, recursive := v.FieldByName("EntityID"), v.FieldByName("Recursive")
		person := v.Type() == reflect.TypeFor[glpiproxy.User]()
		if entity.IsValid() && !person && !scope.SeesEntity(int(entity.Int())) && !(recursive.IsValid() && recursive.Bool()) {
			return v.Interface()
		}
	}
	return nil
}

// crowd has all viewers read the same at once.
func (w *trial) crowd(r *rapid.T) {
	p := w.anyProbe(r)
	var wg sync.WaitGroup
	for _, viewer := range w.viewers {
		wg.Go(func() { _, _ = p.read(viewer) })
	}
	wg.Wait()
	for _, viewer := range w.viewers {
		w.compare(r, viewer, p)
	}
}

// around has two viewers look before something and after it. What is waiting to be told to the cached client is told
// before, so that what they see afterwards must be true.
func (w *trial) around(r *rapid.T, do func()) {
	w.tell()
	watching := []*glpiproxy.Session{w.viewer(r), w.viewer(r)}
	marks := w.landmarks()
	for _, viewer := range watching {
		for _, p := range marks {
			_, _ = p.read(viewer)
		}
	}
	do()
	for _, viewer := range watching {
		for _, p := range marks {
			w.compare(r, viewer, p)
		}
	}
}

// write writes through the cached client: it must know at once what that changed.
func (w *trial) write(r *rapid.T) {
	change, writer := w.anyChange(r), w.writer(r)
	w.around(r, func() { check(r, change.run(writer)) })
}

// writer is mostly one who may do everything.
func (w *trial) writer(r *rapid.T) *glpiproxy.Session {
	if rapid.IntRange(0, 2).Draw(r, "who") > 0 {
		return w.service
	}
	return w.viewer(r)
}

// writeAmidReads has everybody read while somebody writes: none of the answers that were under way may stay.
func (w *trial) writeAmidReads(r *rapid.T) {
	w.tell()
	change, writer := w.anyChange(r), w.writer(r)
	probes := w.landmarks()
	var wg sync.WaitGroup
	reader := w.viewer(r)
	for _, p := range probes {
		wg.Go(func() { _, _ = p.read(reader) })
	}
	err := change.run(writer)
	wg.Wait()
	check(r, err)
	for _, p := range probes {
		w.compare(r, reader, p)
	}
}

// switchScope changes what a session sees.
func (w *trial) switchScope(r *rapid.T) {
	ctx, viewer := context.Background(), rapid.SampledFrom(w.viewers[:4]).Draw(r, "viewer")
	profile, entity := rapid.SampledFrom(w.profiles).Draw(r, "id"), rapid.SampledFrom(w.entities).Draw(r, "id")
	switching := func() error { return viewer.SwitchEntity(ctx, entity, profile == w.profiles[0]) }
	if rapid.Bool().Draw(r, "profile") {
		switching = func() error { return viewer.SwitchProfile(ctx, profile) }
	}
	w.around(r, func() { check(r, switching()) })
	w.compare(r, viewer, w.anyProbe(r))
}

// changeByOthers writes past the cached client, which is told of it later.
func (w *trial) changeByOthers(r *rapid.T) {
	for _, p := range w.landmarks() {
		_, _ = p.read(w.service)
	}
	change := w.anyChange(r)
	check(r, change.run(w.root))
	w.later(r, func() { w.cached.Invalidate(change.tag) })
}

// later keeps an invalidation for later, or makes it at once, so that there are times without any waiting.
func (w *trial) later(r *rapid.T, tell func()) {
	w.pending = append(w.pending, tell)
	if rapid.Bool().Draw(r, "at once") {
		w.tell()
	}
}

// changeByDevices has a device say something, which the cached client is told of later.
func (w *trial) changeByDevices(r *rapid.T) {
	device := rapid.SampledFrom(w.devices).Draw(r, "device")
	said := rapid.SampledFrom([]struct {
		topic, payload string
		change         glpiproxy.DeviceChange
	}{
		{"Online", `{"online":true}`, glpiproxy.DevicePresence},
		{"Online", `{"online":false}`, glpiproxy.DevicePresence},
		{"Ping", `!`, glpiproxy.DevicePresence},
		{"Geolocation", `{"latitude":"48.1","longitude":"2.5","datetime":"1795000000"}`, glpiproxy.DevicePosition},
		{"Unenroll", `{"unenroll":"unenrolled"}`, glpiproxy.DeviceUnenrolled},
	}).Draw(r, "said")
	w.glpi.HandleMQTT(strings.Join([]string{device.Topic, "Status", said.topic}, "/"), []byte(said.payload))
	w.later(r, func() { w.cached.DeviceChanged(said.change) })
}

// invalidate tells the cached client of all changes of others.
func (w *trial) invalidate(r *rapid.T) {
	w.tell()
	for _, p := range w.landmarks() {
		w.compare(r, w.service, p)
	}
}

func (w *trial) tell() {
	for _, tell := range w.pending {
		tell()
	}
	w.pending = nil
}
