package glpi

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// session is what PHP keeps in $_SESSION for one token: who signed in, and the profile and entities that are active.
// Grants are read when it begins and rights when its profile changes, so that later changes do not show.
type session struct {
	token     string
	user      int
	external  bool // signed in by api_token
	profiles  []grantedProfile
	profile   int
	rights    map[string]Rights
	entity    int
	recursive any          // as PHP holds it: 0 or 1 from a grant, a bool from changeActiveEntities
	order     []int        // active entities in GLPI's order
	entities  map[int]bool // the same as a set
	used      time.Time
}

// grantedProfile is a profile with the entities where a user has it.
type grantedProfile struct {
	id       int
	name     string
	entities []grantedEntity
}

type grantedEntity struct {
	id        int
	name      string
	recursive int
}

// checkAppToken refuses a token that is not the server's, even where none is needed.
func (r *request) checkAppToken() error {
	want, got := r.server.opts.AppToken, r.text("app_token")
	switch {
	case got != "" && got != want:
		return documented(http.StatusBadRequest, "ERROR_WRONG_APP_TOKEN_PARAMETER", "parameter app_token seems wrong")
	case got == "" && want != "":
		return documented(http.StatusBadRequest, "ERROR_APP_TOKEN_PARAMETERS_MISSING", "missing parameter(s)  app_token")
	}
	return nil
}

// openSession finds the session of the call's token and marks it as used.
func (r *request) openSession() error {
	token := r.text("session_token")
	if token == "" {
		return documented(http.StatusBadRequest, "ERROR_SESSION_TOKEN_MISSING", "parameter session_token is missing or empty")
	}
	s := r.server
	s.mu.Lock()
	defer s.mu.Unlock()
	sess, now := s.sessions[token], s.opts.Now()
	if sess != nil && now.Sub(sess.used) > sessionLife {
		delete(s.sessions, token)
		sess = nil
	}
	if sess == nil {
		return plain(http.StatusUnauthorized, "ERROR_SESSION_TOKEN_INVALID", "session_token seems invalid")
	}
	sess.used = now
	view := *sess // changeActive* replaces the stored one, calls at work keep theirs
	r.session = &view
	return nil
}

func (r *request) killSession() (*reply, error) {
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	delete(r.server.sessions, r.session.token)
	return r.empty(), nil
}

// initSession signs in by api_token, or by login and password. A Session-Token that comes along is destroyed.
func (r *request) initSession() (*reply, error) {
	login, password, token := r.text("login"), r.text("password"), r.text("user_token")
	if token == "" && (login == "" || password == "") {
		return nil, documented(http.StatusBadRequest, "ERROR_LOGIN_PARAMETERS_MISSING", "parameter(s) login, password or user_token are missing")
	}
	if token == "" && r.server.fault() == NoPasswordLogin {
		return nil, documented(http.StatusBadRequest, "ERROR_LOGIN_WITH_CREDENTIALS_DISABLED", "usage of initSession resource with credentials is disabled")
	}
	tx := r.server.begin(nil)
	defer tx.end()
	if old := r.text("session_token"); old != "" {
		delete(r.server.sessions, old)
	}
	user, reason := tx.authenticate(login, password, token)
	if user != nil && len(tx.grants(user.ID())) == 0 {
		user, reason = nil, "You don't have right to connect"
	}
	if user == nil && token != "" {
		return nil, plain(http.StatusUnauthorized, "ERROR_GLPI_LOGIN_USER_TOKEN", "parameter user_token seems invalid")
	}
	if user == nil {
		return nil, plain(http.StatusUnauthorized, "ERROR_GLPI_LOGIN", reason)
	}
	return ok(Object{{"session_token", json.RawMessage(strconv.Quote(tx.signIn(user, token != "")))}}), nil
}

// authenticate finds the user; when it does not, reason says why in GLPI's words.
func (tx *Tx) authenticate(login, password, token string) (user *Row, reason string) {
	if token != "" {
		user = tx.First("User", "api_token", token)
	} else if user = tx.First("User", "name", login); user != nil && !isPassword(user.Str("password"), password) {
		user = nil
	}
	if user == nil {
		return nil, "Incorrect username or password"
	}
	now := tx.Date()
	begin, end := user.Str("begin_date"), user.Str("end_date")
	if user.Int("is_active") == 0 || user.Int("is_deleted") == 1 || begin != "" && begin > now || end != "" && end < now {
		return nil, "You don't have access to this application because your account was deactivated or removed"
	}
	return user, ""
}

// hashPassword is how the store holds a password: with a salt, so that setting the same one again is a change.
func hashPassword(password string) string {
	salt := make([]byte, 8)
	_, _ = rand.Read(salt) // never fails
	return saltedHash(hex.EncodeToString(salt), password)
}

func saltedHash(salt, password string) string {
	sum := sha256.Sum256([]byte(salt + password))
	return salt + ":" + hex.EncodeToString(sum[:])
}

// isPassword tells whether a password is the one that is stored; "" is none, which no password matches.
func isPassword(stored, password string) bool {
	salt, _, found := strings.Cut(stored, ":")
	return found && stored == saltedHash(salt, password)
}

// signIn begins a session with the user's default profile, else the first by name.
func (tx *Tx) signIn(user *Row, external bool) string {
	sess := &session{
		token: randomText(tx.s.rand, "0123456789abcdefghijklmnopqrstuv", 26), user: user.ID(), external: external,
		profiles: tx.grants(user.ID()), used: tx.s.opts.Now(),
	}
	first := sess.profiles[0].id
	for _, p := range sess.profiles {
		if p.id == user.Int("profiles_id") {
			first = p.id
		}
	}
	tx.activate(sess, first)
	tx.noteLogin(user)
	tx.s.collect()
	tx.s.sessions[sess.token] = sess
	return sess.token
}

// noteLogin stores the time; the first sign-in also changes the row itself, because GLPI then forgets preferences that equal
// the defaults.
func (tx *Tx) noteLogin(user *Row) {
	user.Set("last_login", tx.Date())
	if !user.IsNull("highcontrast_css") {
		user.Set("highcontrast_css", nil)
		user.Set("date_mod", tx.Date())
	}
}

// collect forgets sessions that ended long ago, now and then, as PHP's garbage collector does.
func (s *Server) collect() {
	if len(s.sessions)%100 != 99 {
		return
	}
	for token, sess := range s.sessions {
		if s.opts.Now().Sub(sess.used) > sessionLife {
			delete(s.sessions, token)
		}
	}
}

// grants is a user's profiles by name, each with its entities by complete name.
func (tx *Tx) grants(user int) []grantedProfile {
	byProfile := map[int]*grantedProfile{}
	for _, link := range tx.Find("Profile_User", "users_id", user) {
		profile, entity := tx.Row("Profile", link.Int("profiles_id")), tx.Row("Entity", link.Int("entities_id"))
		if profile == nil || entity == nil {
			continue
		}
		granted := byProfile[profile.ID()]
		if granted == nil {
			granted = &grantedProfile{id: profile.ID(), name: profile.Str("name")}
			byProfile[profile.ID()] = granted
		}
		granted.add(grantedEntity{entity.ID(), entity.Str("name"), link.Int("is_recursive")})
	}
	profiles := make([]grantedProfile, 0, len(byProfile))
	for _, p := range byProfile {
		slices.SortFunc(p.entities, func(a, b grantedEntity) int {
			return strings.Compare(tx.Row("Entity", a.id).Str("completename"), tx.Row("Entity", b.id).Str("completename"))
		})
		profiles = append(profiles, *p)
	}
	slices.SortFunc(profiles, func(a, b grantedProfile) int { return strings.Compare(a.name, b.name) })
	return profiles
}

// add keeps one grant an entity, the recursive one where there are two.
func (p *grantedProfile) add(e grantedEntity) {
	for i := range p.entities {
		if p.entities[i].id == e.id {
			p.entities[i].recursive = max(p.entities[i].recursive, e.recursive)
			return
		}
	}
	p.entities = append(p.entities, e)
}

func (sess *session) granted(profile int) *grantedProfile {
	for i := range sess.profiles {
		if sess.profiles[i].id == profile {
			return &sess.profiles[i]
		}
	}
	return nil
}

// activate makes a granted profile the session's, with the user's default entity where the profile reaches it, else all.
func (tx *Tx) activate(sess *session, profile int) {
	sess.profile = profile
	sess.rights = tx.profileRights(profile)
	home := tx.Row("User", sess.user).Int("entities_id")
	for _, e := range sess.granted(profile).entities {
		if e.id == home && tx.enter(sess, strconv.Itoa(home), e.recursive) {
			return
		}
	}
	if !tx.enter(sess, strconv.Itoa(home), true) {
		tx.enter(sess, "all", false)
	}
}

// profileRights is a profile's rights; a helpdesk profile keeps only those of that interface.
func (tx *Tx) profileRights(profile int) map[string]Rights {
	rights := map[string]Rights{}
	helpdesk := tx.Row("Profile", profile).Str("interface") == "helpdesk"
	for name, bits := range tx.s.rights[profile] {
		if !helpdesk || slices.Contains(helpdeskRights, name) {
			rights[name] = bits
		}
	}
	return rights
}

var helpdeskRights = []string{
	"followup", "knowbase", "password_update", "reminder_public", "reservation", "rssfeed_public", "show_group_hardware",
	"task", "ticket", "ticketvalidation",
}

// enter makes an entity the session's active one, with its sons when recursive. "all", and 0 like it since PHP 7 finds
// them equal, is every entity of the profile. It tells whether the profile reaches the entity.
func (tx *Tx) enter(sess *session, id string, recursive any) bool {
	everything := id == "all" || phpInt(id) == 0
	var order []int
	for _, e := range sess.granted(sess.profile).entities {
		if !everything {
			if e.id == phpInt(id) || e.recursive == 1 && slices.Contains(tx.sonsInOrder(e.id), phpInt(id)) {
				order = []int{phpInt(id)}
				if truthyFlag(recursive) {
					order = tx.sonsInOrder(phpInt(id))
				}
				break
			}
			continue
		}
		order = appendNew(order, e.id)
		if e.recursive == 1 {
			order = appendNew(order, tx.sonsInOrder(e.id)...)
		}
	}
	if len(order) == 0 {
		return false
	}
	sess.entity, sess.recursive, sess.order = order[0], recursive, order
	sess.entities = make(map[int]bool, len(order))
	for _, e := range order {
		sess.entities[e] = true
	}
	return true
}

func truthyFlag(v any) bool { return v == true || v == 1 }

func appendNew(list []int, more ...int) []int {
	for _, n := range more {
		if !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	return list
}

// sonsInOrder is an entity and all below it in the order in which GLPI lists them: when it first looks, the direct ones by
// name and the others by id; those added later follow as they come, because it keeps the list in sons_cache.
func (tx *Tx) sonsInOrder(entity int) []int {
	if cached, ok := tx.s.sons[entity]; ok {
		return cached
	}
	level := tx.Find("Entity", "entities_id", entity)
	slices.SortStableFunc(level, func(a, b *Row) int {
		return strings.Compare(strings.ToLower(a.Str("name")), strings.ToLower(b.Str("name")))
	})
	sons := []int{entity}
	for len(level) > 0 {
		var next []*Row
		for _, row := range level {
			sons = append(sons, row.ID())
			next = append(next, tx.Find("Entity", "entities_id", row.ID())...)
		}
		slices.SortFunc(next, func(a, b *Row) int { return a.ID() - b.ID() })
		level = next
	}
	tx.s.sons[entity] = sons
	tx.Row("Entity", entity).Set("sons_cache", idsColumn(sons))
	return sons
}

// idsColumn is a list of ids as GLPI keeps it in a column: as a JSON object of texts.
func idsColumn(ids []int) string {
	pairs := make([]string, len(ids))
	for i, id := range ids {
		pairs[i] = fmt.Sprintf(`"%[1]d":"%[1]d"`, id)
	}
	return "{" + strings.Join(pairs, ",") + "}"
}

// addSon tells the lists that GLPI keeps of an entity that is new.
func (tx *Tx) addSon(entity *Row) {
	for _, above := range tx.Ancestors(entity.ID()) {
		tx.Row("Entity", above).Set("sons_cache", nil)
		if cached, ok := tx.s.sons[above]; ok {
			tx.s.sons[above] = append(slices.Clone(cached), entity.ID())
		}
	}
}
