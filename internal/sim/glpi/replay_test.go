package glpi

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// replayer sends a run's requests to a fresh simulator and brings it along where steps were kept back.
type replayer struct {
	t     *testing.T
	s     *Server
	run   []exchange
	steps *script

	mu       sync.Mutex
	clock    time.Time
	broker   *recordingBroker
	messages map[string][]string // what the plugin published, by exchange, where it is recorded
	known    map[string]map[int]knownRow
	gone     map[string]map[int]bool // rows that were deleted, by a record or a step kept back
}

// knownRow is a row as the run's records show it, and the exchange that created it, if that is recorded.
type knownRow struct {
	row      node
	expanded bool // its keys are names
	created  int
}

// recordingBroker keeps what the plugin publishes and lets a script answer it.
type recordingBroker struct {
	mu     sync.Mutex
	answer func(topic string, payload []byte)
	sent   []string
}

func (b *recordingBroker) Publish(topic string, payload []byte, retain bool) error {
	b.mu.Lock()
	answer := b.answer
	b.sent = append(b.sent, messageText(topic, string(payload), retain))
	b.mu.Unlock()
	if answer != nil {
		answer(topic, payload)
	}
	return nil
}

// take is what was published since it was last asked.
func (b *recordingBroker) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	sent := b.sent
	b.sent = nil
	return sent
}

func (b *recordingBroker) SetAccount(string, string, []ACL) {}
func (b *recordingBroker) RemoveAccount(string)             {}

func newReplayer(t *testing.T, dir, base string, steps *script) *replayer {
	r := &replayer{t: t, run: readRun(t, dir), steps: steps, broker: &recordingBroker{}, clock: steps.start}
	r.s = New(Options{
		BaseURL: base, Now: r.now, Daemon: true, Broker: r.broker, BrokerPort: steps.port,
		PollInterval: time.Millisecond, PollTimeout: 30 * time.Millisecond,
	})
	r.gone, r.messages = map[string]map[int]bool{}, readMessages(t, dir)
	r.learn()
	return r
}

func (r *replayer) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.clock
}

func (r *replayer) setClock(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at.After(r.clock) {
		r.clock = at
	}
}

// shownType is the itemtype whose rows an answer holds.
func (r *replayer) shownType(e exchange) (string, bool) {
	p := e.segments()
	if len(p) == 0 || e.method != http.MethodGet || e.status >= 300 {
		return "", false
	}
	name := p[0]
	if len(p) > 2 {
		name = p[2]
	}
	_, ok := r.s.schema.byName[name]
	return name, ok
}

// rowsOf is the row objects in an answer.
func rowsOf(n node) []node {
	if n.kind == "object" {
		return []node{n}
	}
	var rows []node
	for _, kid := range n.kids {
		if kid.kind == "object" {
			rows = append(rows, kid)
		}
	}
	return rows
}

// learn collects the rows that the records show, so that those made by steps that were kept back can be made here.
func (r *replayer) learn() {
	r.known = map[string]map[int]knownRow{}
	expanded := false
	note := func(itemtype string, id int, row node, created int) {
		if r.known[itemtype] == nil {
			r.known[itemtype] = map[int]knownRow{}
		}
		old, seen := r.known[itemtype][id]
		if !seen || len(old.row.keys) == 0 || old.expanded && !expanded {
			old.row, old.expanded = row, expanded
		}
		if created > 0 && old.created == 0 {
			old.created = created
		}
		r.known[itemtype][id] = old
	}
	for _, e := range r.run {
		expanded = strings.Contains(e.target, "expand_dropdowns=true")
		if name, ok := r.shownType(e); ok {
			for _, row := range rowsOf(e.want) {
				if id, err := strconv.Atoi(row.str("id")); err == nil && len(row.keys) > 2 {
					note(name, id, row, 0)
				}
			}
		}
		if e.method == http.MethodPost && e.status < 300 {
			for _, row := range rowsOf(e.want) {
				if id, err := strconv.Atoi(row.str("id")); err == nil {
					note(e.segments()[0], id, node{}, e.number())
				}
			}
		}
	}
}

// make inserts a row that a step kept back must have made.
func (r *replayer) make(tx *Tx, itemtype string, id, at int) {
	if r.s.schema.byName[itemtype] == nil || tx.Row(itemtype, id) != nil {
		return
	}
	known, ok := r.known[itemtype][id]
	if !ok || r.gone[itemtype][id] || len(known.row.keys) == 0 || at > 0 && known.created >= at {
		return
	}
	values := map[string]any{}
	for i, key := range known.row.keys {
		switch kid := known.row.kids[i]; kid.kind {
		case "string", "number":
			values[key] = r.unexpanded(tx, key, kid)
		case "null":
			values[key] = nil
		}
	}
	row := tx.Insert(itemtype, values)
	if user := tx.Row("User", row.Int("users_id")); user != nil && known.row.str("api_token") != "" && itemtype != "User" {
		user.Set("api_token", known.row.str("api_token"))
	}
}

// forget keeps a row from being made again.
func (r *replayer) forget(itemtype string, id int) {
	if r.gone[itemtype] == nil {
		r.gone[itemtype] = map[int]bool{}
	}
	r.gone[itemtype][id] = true
}

// unexpanded is the id behind a name, where a record was made with expand_dropdowns.
func (r *replayer) unexpanded(tx *Tx, column string, v node) any {
	target, isKey := r.s.schema.keyed(column)
	if !isKey || target == nil || v.kind == "number" {
		return v.text
	}
	for _, row := range target.all() {
		if row.Name() == v.text {
			return row.ID()
		}
	}
	return 0
}

// prepare brings the simulator to the state before an exchange: the clock, the sessions, rows of steps kept back, and the
// next id where the record shows which one it gave.
func (r *replayer) prepare(e exchange) {
	r.setClock(r.clock.Add(time.Second))
	r.setClock(r.steps.at[e.number()])
	if at, err := http.ParseTime(e.answer["Date"]); err == nil {
		r.setClock(at)
	}
	r.broker.mu.Lock()
	r.broker.answer = nil
	if reply := r.steps.answers[e.number()]; reply != nil {
		r.broker.answer = func(topic string, _ []byte) { reply(r, topic) }
	}
	r.broker.mu.Unlock()
	if before := r.steps.before[e.number()]; before != nil {
		before(r)
	}
	tx := r.s.begin(nil)
	defer tx.end()
	r.meetSession(tx, e)
	if name, ok := r.shownType(e); ok {
		for _, row := range rowsOf(e.want) {
			if id, err := strconv.Atoi(row.str("id")); err == nil {
				r.make(tx, name, id, e.number())
				r.drift(tx, name, id, row)
			}
		}
	}
	for _, m := range mentioned.FindAllStringSubmatch(e.target+" "+string(e.body), -1) {
		if id, err := strconv.Atoi(m[2]); err == nil && e.status != http.StatusNotFound {
			r.make(tx, itemtypeOf(e, m[1]), id, e.number())
		}
	}
	if p := e.segments(); len(p) > 1 && e.status != http.StatusNotFound {
		r.make(tx, p[0], phpInt(p[1]), e.number())
	}
	r.expectID(e)
}

// meetSession opens the session that a request names, when its signing in was kept back, or gives a user the api_token that
// it carries, when the records tell whose it is.
func (r *replayer) meetSession(tx *Tx, e exchange) {
	address, err := url.Parse(e.target)
	if err != nil {
		return
	}
	token := e.header["Session-Token"] + address.Query().Get("session_token")
	if who, ok := r.steps.signedIn[token]; ok && r.s.sessions[token] == nil {
		r.openSession(tx, token, who)
	}
	if sess := r.s.sessions[token]; sess != nil {
		sess.used = r.clock
	}
	if api := address.Query().Get("user_token"); api != "" {
		if user := tx.First("User", "name", r.steps.tokens[api]); user != nil {
			user.Set("api_token", api)
		}
		for _, itemtype := range []string{"User", "PluginFlyvemdmAgent"} {
			for id, known := range r.known[itemtype] {
				if known.row.str("api_token") != api {
					continue
				}
				if itemtype != "User" {
					id = phpInt(known.row.str("users_id"))
				}
				if user := tx.Row("User", id); user != nil {
					user.Set("api_token", api)
				}
			}
		}
	}
}

// drift copies what changes by itself or by steps kept back.
func (r *replayer) drift(tx *Tx, itemtype string, id int, row node) {
	known := tx.Row(itemtype, id)
	if known == nil {
		return
	}
	for _, column := range drifting {
		if v, ok := row.get(column); ok {
			if v.kind == "null" {
				known.Set(column, nil)
			} else {
				known.Set(column, v.text)
			}
		}
	}
}

// drifting are columns that phones, mails and sign-ins change between the recorded exchanges.
var drifting = []string{"last_login", "last_contact", "password_forget_token", "password_forget_token_date", "begin_date", "end_date"}

var mentioned = regexp.MustCompile(`["\[](users_id|computers_id|plugin_flyvemdm_fleets_id|items_id_applied|id)["\]]\s*[:=]\s*"?(\d+)`)

func itemtypeOf(e exchange, key string) string {
	switch key {
	case "users_id":
		return "User"
	case "computers_id":
		return "Computer"
	case "plugin_flyvemdm_fleets_id", "items_id_applied":
		return "PluginFlyvemdmFleet"
	}
	return e.segments()[0]
}

func (r *replayer) expectID(e exchange) {
	if e.method != http.MethodPost || e.status >= 300 || !e.hasBody {
		return
	}
	rows := rowsOf(e.want)
	if e.status == http.StatusMultiStatus && len(e.want.kids) > 1 {
		rows = rowsOf(e.want.kids[1])
	}
	if tab := r.s.schema.byName[e.segments()[0]]; tab != nil && len(rows) > 0 {
		if id := phpInt(rows[0].str("id")); id > 0 {
			tab.next = id
		}
	}
}

// openSession opens a session whose signing in was kept back: "login" or "login as profile".
func (r *replayer) openSession(tx *Tx, token, who string) {
	delete(r.steps.signedIn, token)
	login, profile, chosen := strings.Cut(who, " as ")
	user := tx.First("User", "name", login)
	if user == nil {
		r.t.Errorf("no user %q for a session that was kept back", login)
		return
	}
	if len(tx.grants(user.ID())) == 0 {
		r.t.Errorf("user %q has no profile", login)
		return
	}
	sess := r.s.sessions[tx.signIn(user, strings.Contains(who, "@"))]
	delete(r.s.sessions, sess.token)
	if row := tx.First("Profile", "name", profile); chosen && row != nil && sess.granted(row.ID()) != nil {
		tx.activate(sess, row.ID())
	}
	sess.token = token
	r.s.sessions[token] = sess
}

// send plays an exchange and tells what differs.
func (r *replayer) send(e exchange) []string {
	req := httptest.NewRequest(e.method, e.target, bytes.NewReader(e.body))
	for k, v := range e.header {
		req.Header.Set(k, v)
	}
	if e.name == "method-head" {
		req.Header.Del("Content-Type")
	}
	w := httptest.NewRecorder()
	r.broker.take()
	r.s.ServeHTTP(w, req)
	published := r.broker.take()
	if p := e.segments(); e.method == http.MethodDelete && len(p) > 1 && e.status != http.StatusBadRequest {
		r.forget(p[0], phpInt(p[1]))
	}
	var diffs []string
	if w.Code != e.status {
		diffs = append(diffs, fmt.Sprintf("status %d, recorded %d: %.300s", w.Code, e.status, w.Body))
		return diffs
	}
	diffs = append(diffs, compareHeaders(e, w.Header())...)
	diffs = append(diffs, r.compareMessages(e, published)...)
	if !e.hasBody {
		return diffs
	}
	got, err := nodeOf(w.Body.Bytes())
	if err != nil {
		return append(diffs, fmt.Sprintf("body is no JSON (%v): %.200s", err, w.Body))
	}
	r.adopt(e, got)
	return append(diffs, compareNodes("$", e.want, got, r.steps.shapeOnly[e.number()] == "")...)
}

// adopt gives the simulator the secrets that the record shows, so that later requests, which carry them, are understood.
func (r *replayer) adopt(e exchange, got node) {
	tx := r.s.begin(nil)
	defer tx.end()
	if token := e.want.str("session_token"); token != "" && e.status == http.StatusOK {
		if sess := r.s.sessions[got.str("session_token")]; sess != nil {
			delete(r.s.sessions, sess.token)
			sess.token = token
			r.s.sessions[token] = sess
		}
		return
	}
	name, ok := r.shownType(e)
	if !ok {
		return
	}
	for _, row := range rowsOf(e.want) {
		known := tx.Row(name, phpInt(row.str("id")))
		if known == nil {
			continue
		}
		for _, column := range []string{"api_token", "invitation_token", "enroll_token", "source", "filename", "sha1sum"} {
			if v, ok := row.get(column); ok && v.kind == "string" {
				known.Set(column, v.text)
			}
		}
		if token := row.str("api_token"); name == "PluginFlyvemdmAgent" && token != "" {
			if user := tx.Row("User", known.Int("users_id")); user != nil {
				user.Set("api_token", token)
			}
		}
	}
}

// TestReplay plays both recorded runs. `go test -run Replay/first/1` plays the first run's exchanges 1xx, after all before
// them.
func TestReplay(t *testing.T) {
	for _, run := range []struct {
		name, dir, base string
		script          *script
	}{
		{"first", "", "http://127.0.0.1:8093/glpi", firstRun()},
		{"full", "full", "http://127.0.0.1:8094/glpi", fullRun()},
	} {
		t.Run(run.name, func(t *testing.T) {
			r := newReplayer(t, run.dir, run.base, run.script)
			for _, e := range r.run {
				r.prepare(e)
				diffs := r.send(e)
				t.Run(e.file, func(t *testing.T) {
					reason, excused := run.script.unmatched[e.number()]
					switch {
					case excused && len(diffs) == 0:
						t.Errorf("matches, though the table says: %s", reason)
					case excused:
						t.Skipf("not matched: %s", reason)
					case len(diffs) > 0:
						t.Errorf("%s %s\n  %s", e.method, e.target, strings.Join(diffs, "\n  "))
					}
				})
			}
		})
	}
}
