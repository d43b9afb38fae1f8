package glpi

import (
	"crypto/sha1"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// getItem answers GET /:itemtype/:id.
func (r *request) getItem(tab *table, id int) (*reply, error) {
	row := r.tx.load(tab, id)
	if row == nil {
		return nil, errNotFound
	}
	if r.text("alt") == "media" && tab.typ.Download != nil {
		return r.download(tab, row)
	}
	object, err := r.itemObject(row)
	if err != nil {
		return nil, err
	}
	if r.flag("get_sha1", false) {
		sum := sha1.Sum(encode(object))
		return ok(hex.EncodeToString(sum[:])), nil
	}
	answer := ok(object)
	if mod, err := time.ParseInLocation(dateLayout, row.Str("date_mod"), r.server.opts.Location); err == nil {
		answer.set("Last-Modified", mod.UTC().Format(http.TimeFormat))
	}
	return answer, nil
}

// itemObject is a row as GET shows it: its columns, the virtual fields of its class, the parts asked for with with_*,
// and its links.
func (r *request) itemObject(row *Row) (Object, error) {
	if !r.tx.canItem(row, Read) {
		return nil, errRight
	}
	t := row.Type()
	object := r.columns(row)
	for _, h := range append([]Hooks{t.Hooks}, t.Also...) {
		if h.PostGet != nil {
			h.PostGet(r.tx, row, &object)
		}
	}
	r.withParts(row, &object)
	r.addLinks(row, &object)
	return object, nil
}

// columns is a row's own columns, foreign keys replaced by names when expand_dropdowns is on.
func (r *request) columns(row *Row) Object {
	t := row.Type()
	expand := r.flag("expand_dropdowns", false)
	object := make(Object, 0, len(t.Columns)+8)
	for i, col := range t.Columns {
		if slices.Contains(t.Hidden, col.Name) {
			continue
		}
		v := any(row.vals[i])
		if expand {
			v = r.tx.expanded(row, col.Name, row.vals[i])
		}
		object = append(object, Member{col.Name, v})
	}
	return object
}

// expanded is the name behind a foreign key. Zero stays zero, except for the root entity; what is not there is "".
func (tx *Tx) expanded(row *Row, col string, v Value) any {
	target, isKey := tx.target(row, col)
	if !isKey || emptyKey(col, v) {
		return v
	}
	if target == nil {
		return ""
	}
	to := target.rows[v.Int()]
	if to == nil {
		return ""
	}
	return to.Name()
}

func emptyKey(col string, v Value) bool {
	return (v.IsNull() || v.text == "" || v.text == "0") && (col != "entities_id" || v.IsNull())
}

// target is the table that a column of a row points at: by the column's name, or by itemtype for items_id.
func (tx *Tx) target(row *Row, col string) (tab *table, isKey bool) {
	if col == "items_id" {
		if name := row.Str("itemtype"); name != "" {
			return tx.s.schema.byName[name], true
		}
		return nil, false
	}
	return tx.s.schema.keyed(col)
}

// addLinks adds the HATEOAS links: one a foreign key, then the classes of the row's parts.
func (r *request) addLinks(row *Row, object *Object) {
	if !r.flag("get_hateoas", true) {
		return
	}
	links := List{}
	add := func(rel, href string) {
		links = append(links, Object{{"rel", rel}, {"href", r.apiURL() + "/" + href}})
	}
	for i, col := range row.Type().Columns {
		v := row.vals[i]
		target, isKey := r.tx.target(row, col.Name)
		if !isKey || emptyKey(col.Name, v) {
			continue
		}
		rel := relation(col.Name)
		if target != nil {
			rel = target.typ.Name
		}
		add(rel, rel+"/"+v.text)
	}
	own := row.Type().Name + "/" + strconv.Itoa(row.ID()) + "/"
	for _, child := range row.Type().Children {
		add(child, own+child+"/")
	}
	if len(links) > 0 {
		object.Set("links", links)
	}
}

// relation names the class behind a foreign key to a table that the simulator does not hold.
func relation(col string) string {
	if class, ok := otherClasses[strings.Split(col+"_", "_id_")[0]]; ok {
		return class
	}
	return "UNKNOWN"
}

// otherClasses are GLPI's classes that are only pointed at, by the stem of their foreign key.
var otherClasses = map[string]string{
	"autoupdatesystems": "AutoUpdateSystem", "calendars": "Calendar", "documentcategories": "DocumentCategory", "domains": "Domain", "groups": "Group",
	"networks": "Network", "notificationtemplates": "NotificationTemplate", "states": "State",
	"tickets": "Ticket", "tickettemplates": "TicketTemplate",
}

// getMultipleItems answers with several items, or fails with the first that fails.
func (r *request) getMultipleItems() (*reply, error) {
	wanted := elements(r.params["items"])
	if len(wanted) == 0 {
		return nil, errBadArray
	}
	items := List{}
	for _, w := range wanted {
		item, isItem := w.(map[string]any)
		tab := r.server.schema.byName[asText(item["itemtype"])]
		if !isItem || tab == nil {
			return nil, ErrFatal
		}
		row := r.tx.load(tab, phpInt(asText(item["items_id"])))
		if row == nil {
			return nil, errNotFound
		}
		object, err := r.itemObject(row)
		if err != nil {
			return nil, err
		}
		items = append(items, object)
	}
	return ok(items), nil
}
