package glpi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// exchange is one recorded request with its answer.
type exchange struct {
	file, name string
	method     string
	target     string // path and query as sent
	header     map[string]string
	body       []byte
	status     int
	answer     map[string]string // recorded headers
	allHeaders bool              // the record holds every header, not a choice
	want       node
	hasBody    bool
}

// node is a JSON value with the order of keys kept.
type node struct {
	kind string // object, array, string, number, bool, null
	keys []string
	kids []node
	text string
}

func parseNode(d *json.Decoder) (node, error) {
	t, err := d.Token()
	if err != nil {
		return node{}, err
	}
	switch t := t.(type) {
	case json.Delim:
		n := node{kind: "array"}
		if t == '{' {
			n.kind = "object"
		}
		for d.More() {
			if n.kind == "object" {
				key, err := d.Token()
				if err != nil {
					return n, err
				}
				n.keys = append(n.keys, key.(string))
			}
			kid, err := parseNode(d)
			if err != nil {
				return n, err
			}
			n.kids = append(n.kids, kid)
		}
		_, err = d.Token()
		return n, err
	case string:
		return node{kind: "string", text: t}, nil
	case json.Number:
		return node{kind: "number", text: t.String()}, nil
	case bool:
		return node{kind: "bool", text: strconv.FormatBool(t)}, nil
	}
	return node{kind: "null"}, nil
}

func nodeOf(raw []byte) (node, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return parseNode(d)
}

func (n node) get(key string) (node, bool) {
	if i := slices.Index(n.keys, key); i >= 0 {
		return n.kids[i], true
	}
	return node{}, false
}

func (n node) str(key string) string { v, _ := n.get(key); return v.text }

// readRun reads the exchanges of a run in order.
func readRun(t *testing.T, dir string) []exchange {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata/transcripts", dir, "[0-9]*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts in %q: %v", dir, err)
	}
	sort.Strings(files)
	run := make([]exchange, 0, len(files))
	for _, file := range files {
		e, err := readExchange(file)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		run = append(run, e)
	}
	return run
}

func readExchange(file string) (exchange, error) {
	var raw struct {
		Request struct {
			Method, Path string
			Query        json.RawMessage
			Headers      map[string]string
			Body         json.RawMessage
		}
		Response struct {
			Status  int
			Headers json.RawMessage
			Body    json.RawMessage
			BodyRaw *string `json:"body_raw"`
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return exchange{}, err
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return exchange{}, err
	}
	e := exchange{
		file: strings.TrimSuffix(filepath.Base(file), ".json"), method: raw.Request.Method, header: raw.Request.Headers,
		status: raw.Response.Status, answer: map[string]string{}, body: rawBody(raw.Request.Body),
	}
	_, e.name, _ = strings.Cut(e.file, "-")
	e.target = raw.Request.Path
	if q := rawQuery(raw.Request.Query); q != "" {
		e.target += "?" + q
	}
	var pairs [][2]string
	if json.Unmarshal(raw.Response.Headers, &pairs) == nil {
		e.allHeaders = true
		for _, p := range pairs {
			e.answer[http.CanonicalHeaderKey(p[0])] = p[1]
		}
	} else {
		var chosen map[string]string
		if err := json.Unmarshal(raw.Response.Headers, &chosen); err != nil {
			return e, err
		}
		for k, v := range chosen {
			e.answer[http.CanonicalHeaderKey(k)] = v
		}
	}
	if raw.Response.BodyRaw != nil || string(raw.Response.Body) == "null" || len(raw.Response.Body) == 0 || string(raw.Response.Body) == `""` {
		return e, nil
	}
	if strings.Contains(string(raw.Response.Body[:min(len(raw.Response.Body), 40)]), `"__raw__"`) {
		return e, nil
	}
	e.hasBody = true
	e.want, err = nodeOf(raw.Response.Body)
	return e, err
}

func rawBody(raw json.RawMessage) []byte {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []byte(text)
	}
	var wrapped struct {
		Raw *string `json:"__raw__"`
	}
	if json.Unmarshal(raw, &wrapped) == nil && wrapped.Raw != nil {
		return []byte(*wrapped.Raw)
	}
	if string(raw) == "null" {
		return nil
	}
	return raw
}

func rawQuery(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return strings.ReplaceAll(text, " ", "+")
	}
	var fields map[string]any
	values := url.Values{}
	if json.Unmarshal(raw, &fields) == nil {
		for k, v := range fields {
			values.Set(k, fmt.Sprint(v))
		}
	}
	return values.Encode()
}

func (e exchange) number() int { n, _ := strconv.Atoi(e.file[:3]); return n }

// segments is the path below the API.
func (e exchange) segments() []string {
	p, _, _ := strings.Cut(e.target, "?")
	return strip(p)
}

// replayer sends a run's requests to a fresh simulator and brings it along where steps were kept back.
type replayer struct {
	t     *testing.T
	s     *Server
	run   []exchange
	steps *script

	mu     sync.Mutex
	clock  time.Time
	broker *recordingBroker
	known  map[string]map[int]knownRow
}

// knownRow is a row as the run's records show it, and the exchange that created it, if that is recorded.
type knownRow struct {
	row     node
	created int
}

// recordingBroker lets a script answer what the plugin publishes.
type recordingBroker struct {
	mu     sync.Mutex
	answer func(topic string, payload []byte)
}

func (b *recordingBroker) Publish(topic string, payload []byte, _ bool) error {
	b.mu.Lock()
	answer := b.answer
	b.mu.Unlock()
	if answer != nil {
		answer(topic, payload)
	}
	return nil
}
func (b *recordingBroker) SetAccount(string, string, []ACL) {}
func (b *recordingBroker) RemoveAccount(string)             {}

func newReplayer(t *testing.T, dir, base string, steps *script) *replayer {
	r := &replayer{t: t, run: readRun(t, dir), steps: steps, broker: &recordingBroker{}, clock: steps.start}
	r.s = New(Options{
		BaseURL: base, Now: r.now, Daemon: true, Broker: r.broker, BrokerPort: 18831,
		PollInterval: time.Millisecond, PollTimeout: 30 * time.Millisecond,
	})
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

// shownType is the itemtype whose rows an answer holds, and whether it holds them as they are.
func (r *replayer) shownType(e exchange) (string, bool) {
	p := e.segments()
	if len(p) == 0 || e.method != http.MethodGet || e.status >= 300 || strings.Contains(e.target, "expand_dropdowns=true") {
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
	note := func(itemtype string, id int, row node, created int) {
		if r.known[itemtype] == nil {
			r.known[itemtype] = map[int]knownRow{}
		}
		old, seen := r.known[itemtype][id]
		if !seen || len(old.row.keys) == 0 {
			old.row = row
		}
		if created > 0 && old.created == 0 {
			old.created = created
		}
		r.known[itemtype][id] = old
	}
	for _, e := range r.run {
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
	if !ok || len(known.row.keys) == 0 || known.created >= at {
		return
	}
	values := map[string]any{}
	for i, key := range known.row.keys {
		if kid := known.row.kids[i]; kid.kind == "string" || kid.kind == "number" {
			values[key] = kid.text
		} else if kid.kind == "null" {
			values[key] = nil
		}
	}
	tx.Insert(itemtype, values)
}

// prepare brings the simulator to the state before an exchange: the clock, the sessions, rows of steps kept back, and the
// next id where the record shows which one it gave.
func (r *replayer) prepare(e exchange) {
	r.setClock(r.clock.Add(time.Second))
	if at, err := http.ParseTime(e.answer["Date"]); err == nil {
		r.setClock(at)
	}
	r.broker.mu.Lock()
	r.broker.answer = nil
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

var mentioned = regexp.MustCompile(`"?(users_id|computers_id|plugin_flyvemdm_fleets_id|items_id_applied|id)"?\s*[:=]\s*"?(\d+)`)

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
	r.s.ServeHTTP(w, req)
	var diffs []string
	if w.Code != e.status {
		diffs = append(diffs, fmt.Sprintf("status %d, recorded %d: %.300s", w.Code, e.status, w.Body))
		return diffs
	}
	diffs = append(diffs, r.compareHeaders(e, w.Header())...)
	if !e.hasBody {
		return diffs
	}
	got, err := nodeOf(w.Body.Bytes())
	if err != nil {
		return append(diffs, fmt.Sprintf("body is no JSON (%v): %.200s", err, w.Body))
	}
	r.adopt(e, got)
	return append(diffs, compareNodes("$", e.want, got, e.status >= 300 || e.status == http.StatusMultiStatus)...)
}

// hop are headers of the transport, which nginx or Go's server adds.
var hop = []string{"Server", "Date", "Connection", "Transfer-Encoding", "Content-Length"}

func (r *replayer) compareHeaders(e exchange, got http.Header) []string {
	var diffs []string
	canonical := http.Header{}
	for k, v := range got {
		canonical[http.CanonicalHeaderKey(k)] = v
	}
	for key, want := range e.answer {
		have := canonical.Get(key)
		switch {
		case slices.Contains(hop, key):
		case key == "Last-Modified" || key == "Etag" || key == "Content-Disposition":
			if have == "" {
				diffs = append(diffs, "header "+key+" is missing")
			}
		case have != want:
			diffs = append(diffs, fmt.Sprintf("header %s: %q, recorded %q", key, have, want))
		}
	}
	for key := range canonical {
		if _, recorded := e.answer[key]; e.allHeaders && !recorded && !slices.Contains(hop, key) {
			diffs = append(diffs, "header "+key+" was not recorded")
		}
	}
	sort.Strings(diffs)
	return diffs
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

// exact are the keys whose texts are compared, beside the texts of errors.
var exact = []string{"message", "rel", "href", "content-range", "order", "completename", "uid", "table", "field", "datatype"}

// compareNodes compares shape: kinds, keys in order, lengths. Texts are compared where all says so or their key is exact.
func compareNodes(path string, want, got node, all bool) []string {
	if want.kind != got.kind {
		return []string{fmt.Sprintf("%s is %s %.60q, recorded %s %.60q", path, got.kind, got.text, want.kind, want.text)}
	}
	switch want.kind {
	case "object":
		if !slices.Equal(want.keys, got.keys) {
			return []string{fmt.Sprintf("%s has the keys %v, recorded %v", path, got.keys, want.keys)}
		}
	case "array":
		if len(want.kids) != len(got.kids) {
			return []string{fmt.Sprintf("%s has %d elements, recorded %d", path, len(got.kids), len(want.kids))}
		}
	case "string":
		if all && want.text != got.text {
			return []string{fmt.Sprintf("%s is %q, recorded %q", path, got.text, want.text)}
		}
		return nil
	}
	var diffs []string
	for i := range want.kids {
		key, sub := strconv.Itoa(i), all
		if want.kind == "object" {
			key = want.keys[i]
			sub = all || slices.Contains(exact, key)
		}
		diffs = append(diffs, compareNodes(path+"."+key, want.kids[i], got.kids[i], sub)...)
		if len(diffs) > 4 {
			return diffs
		}
	}
	return diffs
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
