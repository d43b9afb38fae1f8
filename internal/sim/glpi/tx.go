package glpi

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"
)

// dateLayout is how GLPI stores a moment: local to the server, without an offset.
const dateLayout = "2006-01-02 15:04:05"

// Tx is one piece of work on the store, which it keeps locked from Server.begin to end; only Wait lets go of it meanwhile.
// It carries what PHP would have in $_SESSION: who asks, and the messages for the answer.
type Tx struct {
	s        *Server
	ctx      context.Context
	session  *session
	messages []string
	uploads  []Upload
	input    Input // of the row that is being created, while CanItem is asked about it

	address   string // from which the call came
	signingUp bool   // the demo plugin makes an account
}

// begin locks the store. sess is nil for work that nobody signed in asked for.
func (s *Server) begin(sess *session) *Tx {
	s.mu.Lock()
	return &Tx{s: s, ctx: context.Background(), session: sess}
}

// end unlocks the store and lets the broker catch up.
func (tx *Tx) end() {
	tx.s.mu.Unlock()
	tx.s.flush()
}

// Wait lets go of the store and looks every PollInterval whether the condition holds, until PollTimeout has passed.
func (tx *Tx) Wait(condition func() bool) bool {
	s := tx.s
	for range int(s.opts.PollTimeout / s.opts.PollInterval) {
		s.mu.Unlock()
		s.flush()
		pause(tx.ctx, s.opts.PollInterval)
		s.mu.Lock()
		if condition() {
			return true
		}
		if tx.ctx.Err() != nil {
			return false
		}
	}
	return false
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// flush runs what was queued for the broker, in order, without the lock. One caller works at a time; another's queue is
// emptied by the one at work.
func (s *Server) flush() {
	s.mu.Lock()
	if s.flushing {
		s.mu.Unlock()
		return
	}
	s.flushing = true
	for len(s.outbox) > 0 {
		batch := s.outbox
		s.outbox = nil
		s.mu.Unlock()
		for _, send := range batch {
			send(s.opts.Broker)
		}
		s.mu.Lock()
	}
	s.flushing = false
	s.mu.Unlock()
}

func (tx *Tx) queue(send func(Broker)) {
	if tx.s.opts.Broker != nil {
		tx.s.outbox = append(tx.s.outbox, send)
	}
}

// Publish queues a message of the plugin. A broker that refuses it goes unnoticed, as in GLPI.
func (tx *Tx) Publish(topic string, payload []byte, retain bool) {
	tx.queue(func(b Broker) { _ = b.Publish(topic, payload, retain) })
}

// SetAccount queues the creation or replacement of an MQTT account.
func (tx *Tx) SetAccount(user, password string, acl []ACL) {
	tx.queue(func(b Broker) { b.SetAccount(user, password, acl) })
}

// RemoveAccount queues the removal of an MQTT account.
func (tx *Tx) RemoveAccount(user string) { tx.queue(func(b Broker) { b.RemoveAccount(user) }) }

// Now is the server's clock, in its time zone.
func (tx *Tx) Now() time.Time { return tx.s.opts.Now().In(tx.s.opts.Location) }

// Date is the present moment as the store holds it.
func (tx *Tx) Date() string { return tx.Now().Format(dateLayout) }

// Info adds a message; the answer shows the last one.
func (tx *Tx) Info(text string) { tx.messages = append(tx.messages, text) }

// Warn adds a warning, which the answer shows like any message.
func (tx *Tx) Warn(text string) { tx.Info(text) }

// takeMessage is the last message, and forgets them all.
func (tx *Tx) takeMessage() string {
	if len(tx.messages) == 0 {
		return ""
	}
	last := tx.messages[len(tx.messages)-1]
	tx.messages = nil
	return last
}

// Input is the input of the row that is being created, for CanItem to look at fields that are no columns.
func (tx *Tx) Input() Input { return tx.input }

// Uploads are the file parts of this request.
func (tx *Tx) Uploads() []Upload { return tx.uploads }

func (tx *Tx) table(itemtype string) *table {
	tab := tx.s.schema.byName[itemtype]
	if tab == nil {
		panic("glpi: no itemtype " + itemtype)
	}
	return tab
}

// Row is the row of an itemtype by id; nil when there is none.
func (tx *Tx) Row(itemtype string, id int) *Row {
	tab := tx.table(itemtype)
	tx.furnishFor(tab, id)
	return tab.rows[id]
}

// Rows is every row of an itemtype, by id.
func (tx *Tx) Rows(itemtype string) []*Row { return tx.all(tx.table(itemtype)) }

func (tx *Tx) all(tab *table) []*Row {
	tx.furnishAll(tab)
	return tab.all()
}

// Find is the rows whose column equals the value, by id.
func (tx *Tx) Find(itemtype, col string, v any) []*Row {
	tab := tx.table(itemtype)
	switch {
	case !tab.typ.Seeded:
	case col == "computers_id" || col == "items_id" && !belowPort[itemtype]:
		tx.furnish(Val(v).Int())
	case col == "items_id" || col == "networkports_id":
		tx.furnishFor(tab, Val(v).Int())
	default:
		tx.furnishAll(tab)
	}
	return tab.find(col, v)
}

// belowPort are the classes whose items_id is a port's or a port's name's, not a computer's.
var belowPort = map[string]bool{"NetworkName": true, "IPAddress": true}

// First is the first row that Find gives; nil when there is none.
func (tx *Tx) First(itemtype, col string, v any) *Row {
	if rows := tx.Find(itemtype, col, v); len(rows) > 0 {
		return rows[0]
	}
	return nil
}

// Insert stores a row without hooks or checks.
func (tx *Tx) Insert(itemtype string, values map[string]any) *Row {
	tab := tx.table(itemtype)
	row := tab.newRow()
	for col, v := range values {
		row.Set(col, v)
	}
	if _, given := values["id"]; !given {
		row.Set("id", tab.next)
	}
	tab.insert(row)
	return row
}

// Remove deletes a row without hooks or checks.
func (tx *Tx) Remove(row *Row) { row.tab.remove(row) }

// UserID is the signed-in user's id; 0 when nobody is.
func (tx *Tx) UserID() int {
	if tx.session == nil {
		return 0
	}
	return tx.session.user
}

// User is the signed-in user; nil when nobody is.
func (tx *Tx) User() *Row { return tx.Row("User", tx.UserID()) }

// ProfileID is the session's active profile; 0 when nobody is signed in.
func (tx *Tx) ProfileID() int {
	if tx.session == nil {
		return 0
	}
	return tx.session.profile
}

// ActiveEntity is the session's active entity.
func (tx *Tx) ActiveEntity() int {
	if tx.session == nil {
		return 0
	}
	return tx.session.entity
}

// Sees tells whether an entity is among the session's active ones.
func (tx *Tx) Sees(entity int) bool { return tx.session == nil || tx.session.entities[entity] }

// Right is what the active profile may do under a right's name. Work that nobody signed in asked for may do everything.
func (tx *Tx) Right(name string) Rights {
	if tx.session == nil {
		return ^Rights(0)
	}
	return tx.session.rights[name]
}

// SetRights sets rights of a profile; sessions that are open keep what they had when they began.
func (tx *Tx) SetRights(profile int, rights map[string]Rights) {
	if tx.s.rights[profile] == nil {
		tx.s.rights[profile] = map[string]Rights{}
	}
	for name, bits := range rights {
		tx.s.rights[profile][name] = bits
		if !tx.s.rightKnown[name] {
			tx.s.rightKnown[name] = true
			tx.s.rightNames = append(tx.s.rightNames, name)
		}
	}
}

// Config is a value of GLPI's configuration; "" when it is not set.
func (tx *Tx) Config(context, name string) string {
	if row := tx.configRow(context, name); row != nil {
		return row.Str("value")
	}
	return ""
}

// SetConfig sets a value of GLPI's configuration.
func (tx *Tx) SetConfig(context, name string, v any) {
	if row := tx.configRow(context, name); row != nil {
		row.Set("value", v)
		return
	}
	tx.Insert("Config", map[string]any{"context": context, "name": name, "value": v})
}

func (tx *Tx) configRow(context, name string) *Row {
	for _, row := range tx.Find("Config", "name", name) {
		if row.Str("context") == context {
			return row
		}
	}
	return nil
}

const tokenAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// Token is n random letters and digits.
func (tx *Tx) Token(n int) string { return randomText(tx.s.rand, tokenAlphabet, n) }

// Hex is n random hexadecimal digits.
func (tx *Tx) Hex(n int) string { return randomText(tx.s.rand, "0123456789abcdef", n) }

func randomText(r *rand.Rand, alphabet string, n int) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(text)
}

// Ancestors is the entities above one, nearest first, without itself.
func (tx *Tx) Ancestors(entity int) []int {
	var above []int
	for row := tx.Row("Entity", entity); row != nil && row.ID() != 0; {
		row = tx.Row("Entity", row.Int("entities_id"))
		if row != nil {
			above = append(above, row.ID())
		}
	}
	return above
}

// Sons is an entity and all below it, depth first.
func (tx *Tx) Sons(entity int) []int {
	sons := []int{entity}
	for _, child := range tx.Find("Entity", "entities_id", strconv.Itoa(entity)) {
		sons = append(sons, tx.Sons(child.ID())...)
	}
	return sons
}

// UserToken is a user's api_token, made when there is none.
func (tx *Tx) UserToken(user *Row) string {
	if user.Str("api_token") == "" {
		user.Set("api_token", tx.Token(40))
		user.Set("api_token_date", tx.Date())
	}
	return user.Str("api_token")
}
