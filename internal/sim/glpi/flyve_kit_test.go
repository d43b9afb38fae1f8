package glpi

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// ledger is a broker that keeps what it is told. answer, when set, is called with each message before it is kept.
type ledger struct {
	mu        sync.Mutex
	sent      []string // "topic payload", with " retained" after those that are
	passwords map[string]string
	acl       map[string][]ACL
	answer    func(topic string)
}

func newLedger() *ledger {
	return &ledger{passwords: map[string]string{}, acl: map[string][]ACL{}}
}

func (l *ledger) Publish(topic string, payload []byte, retain bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	message := topic + " " + string(payload)
	if retain {
		message += " retained"
	}
	l.sent = append(l.sent, message)
	if l.answer != nil {
		l.answer(topic)
	}
	return nil
}

func (l *ledger) SetAccount(user, password string, acl []ACL) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.passwords[user], l.acl[user] = password, acl
}

func (l *ledger) RemoveAccount(user string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.passwords, user)
	delete(l.acl, user)
}

// take is what was sent since it was last asked.
func (l *ledger) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	sent := l.sent
	l.sent = nil
	return sent
}

// readable tells whether an account may read a topic filter.
func (l *ledger) readable(user, topic string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.acl[user], ACL{topic, 1})
}

// stage is a company with its administrator and a broker, on a clock that tests move.
type stage struct {
	t      *testing.T
	s      *Server
	broker *ledger
	admin  *client
	entity int

	mu  sync.Mutex
	now time.Time
}

func (st *stage) clock() time.Time {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.now
}

func (st *stage) advance(d time.Duration) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.now = st.now.Add(d)
}

func newStage(t *testing.T) *stage { return newStageWith(t, Options{}) }

// newStageWith is a stage whose server has some options of its own.
func newStageWith(t *testing.T, o Options) *stage {
	t.Helper()
	st := &stage{t: t, broker: newLedger(), now: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)}
	o.Broker, o.Daemon, o.DebugEnrolment = st.broker, true, true
	o.PollInterval, o.PollTimeout = time.Millisecond, 20*time.Millisecond
	if o.Now == nil {
		o.Now = st.clock
	}
	st.s = newServer(t, o)
	st.do(func(tx *Tx) { tx.SetConfig("fusioninventory", "entity_rule", 1) })
	st.entity, st.admin = company(t, st.s, "acme")
	st.broker.take()
	return st
}

// do works on the store.
func (st *stage) do(work func(tx *Tx)) {
	tx := st.s.begin(nil)
	defer tx.end()
	work(tx)
}

// add creates something as the administrator and returns its id.
func (st *stage) add(itemtype, input string) int {
	st.t.Helper()
	w := st.admin.want("POST", "/"+itemtype, `{"input":`+input+`}`, 201, `"id":`)
	n, err := nodeOf(w.Body.Bytes())
	if err != nil {
		st.t.Fatal(err)
	}
	return phpInt(n.str("id"))
}

// fleet creates a fleet in the company and forgets its first message.
func (st *stage) fleet(name string) int {
	st.t.Helper()
	id := st.add("PluginFlyvemdmFleet", fmt.Sprintf(`{"name":%q,"entities_id":%d}`, name, st.entity))
	st.broker.take()
	return id
}

// person creates somebody with an address, and invites him.
func (st *stage) invite(email string) (user int, token string) {
	st.t.Helper()
	user = st.add("User", fmt.Sprintf(`{"name":%q,"_useremails":[%q],"entities_id":%d,"_profiles_id":1,"_entities_id":%d}`, email, email, st.entity, st.entity))
	id := st.add("PluginFlyvemdmInvitation", fmt.Sprintf(`{"users_id":%d,"entities_id":%d}`, user, st.entity))
	st.do(func(tx *Tx) { token = tx.Row("PluginFlyvemdmInvitation", id).Str("invitation_token") })
	return user, token
}

// guest signs somebody in as the deeplink makes his phone do it.
func (st *stage) guest(user int) *client {
	st.t.Helper()
	api := ""
	st.do(func(tx *Tx) { api = tx.UserToken(tx.Row("User", user)) })
	c := st.token(api)
	c.want("POST", "/changeActiveProfile", `{"profiles_id":9}`, 200, "")
	return c
}

// token signs in by an api_token.
func (st *stage) token(api string) *client {
	st.t.Helper()
	c := &client{t: st.t, s: st.s}
	n, err := nodeOf(c.want("GET", "/initSession?user_token="+api, "", 200, "session_token").Body.Bytes())
	if err != nil {
		st.t.Fatal(err)
	}
	c.token = n.str("session_token")
	return c
}

// inventoryOf is the base64 of an inventory.
func inventoryOf(serial string) string {
	return base64.StdEncoding.EncodeToString([]byte(inventoryXML(serial, "10")))
}

func inventoryXML(serial, system string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><REQUEST><QUERY>INVENTORY</QUERY><DEVICEID>` + serial + `-2026</DEVICEID><CONTENT>` +
		`<HARDWARE><NAME>Pixel ` + serial + `</NAME><UUID>uuid-` + serial + `</UUID><OSNAME>Android</OSNAME><OSVERSION>` + system + `</OSVERSION><MEMORY>4000</MEMORY></HARDWARE>` +
		`<BIOS><SSN>` + serial + `</SSN><SMANUFACTURER>Google</SMANUFACTURER><SMODEL>Pixel 4</SMODEL></BIOS>` +
		`<SOFTWARES><NAME>Maps</NAME><VERSION>9.1</VERSION><PUBLISHER>Google</PUBLISHER></SOFTWARES></CONTENT></REQUEST>`
}

// application is the input of an enrolment that works, with some keys replaced: a value, or "" with a minus before the key
// to leave it out.
func application(email, token, serial string, changes ...string) string {
	fields := map[string]string{
		"_email": email, "_invitation_token": token, "_serial": serial, "_uuid": "u", "csr": "", "firstname": "Ann", "lastname": "Lee",
		"version": "2.1.0", "type": "android", "has_system_permission": "0", "notification_type": "mqtt", "notification_token": "",
		"inventory": inventoryOf(serial),
	}
	for i := 0; i+1 < len(changes); i += 2 {
		if key, left := strings.CutPrefix(changes[i], "-"); left {
			delete(fields, key)
		} else {
			fields[key] = changes[i+1]
		}
	}
	var parts []string
	for key, v := range fields {
		parts = append(parts, fmt.Sprintf("%q:%q", key, v))
	}
	return `{"input":{` + strings.Join(parts, ",") + `}}`
}

// device is an enrolled phone.
type device struct {
	agent, computer, owner int
	topic                  string
	guest                  *client // its owner, as a guest
	session                *client // the device itself
}

// enrol invites somebody and enrols his phone.
func (st *stage) enrol(email, serial string) device {
	st.t.Helper()
	user, token := st.invite(email)
	d := device{owner: user, guest: st.guest(user), topic: fmt.Sprintf("%d/agent/%s", st.entity, serial)}
	n, err := nodeOf(d.guest.want("POST", "/PluginFlyvemdmAgent", application(email, token, serial), 201, `"id":`).Body.Bytes())
	if err != nil {
		st.t.Fatal(err)
	}
	d.agent = phpInt(n.str("id"))
	n, err = nodeOf(d.guest.want("GET", fmt.Sprintf("/PluginFlyvemdmAgent/%d", d.agent), "", 200, d.topic).Body.Bytes())
	if err != nil {
		st.t.Fatal(err)
	}
	d.computer = phpInt(n.str("computers_id"))
	d.session = st.token(n.str("api_token"))
	st.broker.take()
	return d
}

func (d device) path() string { return fmt.Sprintf("/PluginFlyvemdmAgent/%d", d.agent) }

// sameMessages compares what was sent with what should have been.
func sameMessages(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("messages\n  %s\nwanted\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}
