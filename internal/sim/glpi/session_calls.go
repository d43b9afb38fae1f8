package glpi

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

func (r *request) getMyProfiles() (*reply, error) {
	profiles := List{}
	for _, p := range r.session.profiles {
		entities := List{}
		for _, e := range p.entities {
			entities = append(entities, e.object())
		}
		profiles = append(profiles, Object{{"id", p.id}, {"name", p.name}, {"entities", entities}})
	}
	return ok(Object{{"myprofiles", profiles}}), nil
}

func (e grantedEntity) object() Object {
	return Object{{"id", e.id}, {"name", e.name}, {"is_recursive", e.recursive}}
}

// keyedEntities is a profile's entities by id, which PHP writes as a list where the only id is 0.
func keyedEntities(entities []grantedEntity) any {
	ids := make([]int, len(entities))
	values := make([]any, len(entities))
	for i, e := range entities {
		ids[i], values[i] = e.id, e.object()
	}
	return phpArray(ids, values)
}

// phpArray writes values with integer keys as PHP does: as a list where the keys are 0, 1, 2..., else as an object.
func phpArray(keys []int, values []any) any {
	isList := true
	object := Object{}
	for i, key := range keys {
		isList = isList && key == i
		object = append(object, Member{strconv.Itoa(key), values[i]})
	}
	if isList {
		return List(values)
	}
	return object
}

func (r *request) getActiveProfile() (*reply, error) {
	return ok(Object{{"active_profile", r.tx.activeProfile()}}), nil
}

// activeProfile is the session's profile with its rights by name, and with the lists that its row holds as JSON decoded.
func (tx *Tx) activeProfile() Object {
	row := tx.Row("Profile", tx.session.profile)
	helpdesk := row.Str("interface") == "helpdesk"
	var profile Object
	for i, col := range row.Type().Columns {
		v := row.vals[i]
		if helpdesk && slices.Contains(centralOnly, col.Name) {
			continue
		}
		switch col.Name {
		case "helpdesk_item_type", "ticket_status", "problem_status", "change_status":
			if !v.IsNull() {
				profile.Set(col.Name, decoded(v.text))
				continue
			}
		}
		profile.Set(col.Name, v)
	}
	names := make([]string, 0, len(tx.session.rights))
	for name := range tx.session.rights {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		profile.Set(name, int(tx.session.rights[name]))
	}
	profile.Set("entities", keyedEntities(tx.session.granted(tx.session.profile).entities))
	return profile
}

// centralOnly are columns that a helpdesk profile does not have in a session.
var centralOnly = []string{"date_mod", "comment", "problem_status", "change_status", "date_creation"}

// decoded is the JSON in a text, [] when it holds none.
func decoded(text string) json.RawMessage {
	var compact bytes.Buffer
	if json.Compact(&compact, []byte(text)) != nil {
		return json.RawMessage("[]")
	}
	return compact.Bytes()
}

func (r *request) changeActiveProfile() (*reply, error) {
	id := r.text("profiles_id")
	if id == "" {
		return nil, errBad
	}
	if r.session.granted(phpInt(id)) == nil {
		return nil, errNotFound
	}
	r.tx.activate(r.session, phpInt(id))
	r.tx.store(r.session)
	return r.empty(), nil
}

// store keeps a session that a call changed.
func (tx *Tx) store(sess *session) {
	if _, alive := tx.s.sessions[sess.token]; alive {
		tx.s.sessions[sess.token] = sess
	}
}

func (r *request) getMyEntities() (*reply, error) {
	var ids []int
	for _, e := range r.session.granted(r.session.profile).entities {
		if r.flag("is_recursive", false) && e.recursive == 1 {
			ids = appendNew(ids, r.tx.sonsInOrder(e.id)[1:]...)
		}
		ids = appendNew(ids, e.id)
	}
	entities := List{}
	for _, id := range ids {
		if row := r.tx.Row("Entity", id); row != nil {
			entities = append(entities, Object{{"id", id}, {"name", row.Str("completename")}})
		}
	}
	return ok(Object{{"myentities", entities}}), nil
}

func (r *request) getActiveEntities() (*reply, error) {
	active := List{}
	for _, id := range r.session.order {
		active = append(active, Object{{"id", id}})
	}
	return ok(Object{{"active_entity", Object{
		{"id", r.session.entity}, {"active_entity_recursive", r.session.recursive}, {"active_entities", active},
	}}}), nil
}

func (r *request) changeActiveEntities() (*reply, error) {
	recursive, isBool := false, true
	if v, given := r.params["is_recursive"]; given {
		if recursive, isBool = v.(bool); !isBool {
			return nil, errBad
		}
	}
	id := "all"
	if r.given("entities_id") {
		id = strconv.Itoa(phpInt(r.text("entities_id")))
	}
	if !r.tx.enter(r.session, id, recursive) {
		if r.server.since(10, 0) {
			return ok(false), nil
		}
		return nil, errBad
	}
	r.tx.store(r.session)
	return ok(true), nil
}

//go:embed data/session.json
var sessionTemplate []byte

// getFullSession is the whole of $_SESSION: what never changes comes from data/session.json, which has a null where a
// value depends on the session.
func (r *request) getFullSession() (*reply, error) {
	object := orderedObject(sessionTemplate)
	for _, m := range r.sessionFields() {
		object.Set(m.Key, m.Val)
	}
	if r.session.external {
		object.Del("noAUTO")
	}
	if r.server.opts.NoFlyve {
		object.Del("plugin_flyvemdm_guest_profiles_id")
	}
	if !r.server.since(9, 3) {
		return ok(object), nil // older ones do not wrap it
	}
	return ok(Object{{"session", object}}), nil
}

func (r *request) sessionFields() Object {
	tx, sess := r.tx, r.session
	user, entity := tx.User(), tx.Row("Entity", sess.entity)
	limit, language := user.Get("list_limit"), user.Get("language")
	if limit.IsNull() {
		limit = Val(defaultListLimit)
	}
	if language.IsNull() {
		language = Val("en_GB")
	}
	ids, ancestors := make([]any, len(sess.order)), List{}
	for i, id := range sess.order {
		ids[i] = id
	}
	above := tx.Ancestors(sess.entity)
	slices.Reverse(above)
	for _, id := range above {
		ancestors = append(ancestors, id)
	}
	suffix := ""
	if truthyFlag(sess.recursive) {
		suffix = " (tree structure)"
	}
	profiles := Object{}
	for _, p := range sess.profiles {
		profiles.Set(strconv.Itoa(p.id), Object{{"name", p.name}, {"entities", keyedEntities(p.entities)}})
	}
	external, all := 0, 0
	if sess.external {
		external = 1
	}
	if len(sess.order) == len(tx.Rows("Entity")) {
		all = 1
	}
	plugins := Object{}
	for _, row := range tx.Find("Plugin", "state", 1) {
		plugins.Set(row.Str("id"), row.Get("directory"))
	}
	return Object{
		{"glpi_plugins", plugins}, {"valid_id", json.RawMessage(strconv.Quote(sess.token))}, {"glpi_currenttime", tx.Date()},
		{"glpiID", sess.user}, {"glpiname", user.Get("name")}, {"glpirealname", user.Get("realname")},
		{"glpifirstname", user.Get("firstname")}, {"glpidefault_entity", user.Int("entities_id")},
		{"glpiextauth", external}, {"glpicrontimer", int(tx.Now().Unix())}, {"glpilist_limit", limit},
		{"glpilanguage", language}, {"glpiprofiles", profiles}, {"glpiactiveprofile", tx.activeProfile()},
		{"glpiactiveentities", phpArray(sess.order, ids)}, {"glpiactiveentities_string", sqlList(sess.order)},
		{"glpiparententities", ancestors}, {"glpiparententities_string", parentsText(above)},
		{"glpiactive_entity", sess.entity}, {"glpiactive_entity_recursive", sess.recursive},
		{"glpiactive_entity_name", entity.Str("completename") + suffix},
		{"glpiactive_entity_shortname", entity.Str("name") + suffix}, {"glpishowallentities", all},
		{"plugin_flyvemdm_guest_profiles_id", tx.Config("flyvemdm", "guest_profiles_id")},
	}
}

func sqlList(ids []int) string {
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = "'" + strconv.Itoa(id) + "'"
	}
	return strings.Join(quoted, ", ")
}

// parentsText quotes ids only where there are several, as GLPI does.
func parentsText(ids []int) string {
	if len(ids) == 1 {
		return strconv.Itoa(ids[0])
	}
	return sqlList(ids)
}

// orderedObject decodes a JSON object with its keys in order and its values as they are.
func orderedObject(raw []byte) Object {
	d := json.NewDecoder(bytes.NewReader(raw))
	var object Object
	if _, err := d.Token(); err != nil {
		return nil
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			break
		}
		var v json.RawMessage
		if d.Decode(&v) != nil {
			break
		}
		object = append(object, Member{key.(string), v})
	}
	return object
}

// getGlpiConfig is the part of $CFG_GLPI that clients use.
func (r *request) getGlpiConfig() (*reply, error) {
	config := Object{}
	for _, row := range r.tx.Find("Config", "context", "core") {
		switch row.Str("name") {
		case "proxy_passwd", "smtp_passwd":
			continue
		}
		config.Set(row.Str("name"), row.Get("value"))
	}
	config.Set("root_doc", "/glpi")
	config.Set("url_base", strings.TrimSuffix(r.apiURL(), "/apirest.php"))
	config.Set("url_base_api", r.apiURL()+"/")
	return ok(Object{{"cfg_glpi", config}}), nil
}
