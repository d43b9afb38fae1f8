package glpi

import (
	"embed"
	"encoding/json"
	"net/http"
	"strconv"
)

//go:embed data/options data/rawoptions
var optionFiles embed.FS

// loadOptions reads an itemtype's search options from data/options, where they are kept as listSearchOptions shows them.
// The few that a file under data/rawoptions has too show that with raw. values says how to find what neither the row nor one of its foreign keys holds, by option id.
func loadOptions(itemtype string, values map[int]func(*Tx, *Row) []Value) []SearchOption {
	raw, err := optionFiles.ReadFile("data/options/" + itemtype + ".json")
	if err != nil {
		panic("glpi: " + err.Error())
	}
	declared := Object{}
	if raw, err := optionFiles.ReadFile("data/rawoptions/" + itemtype + ".json"); err == nil {
		declared = orderedObject(raw)
	}
	var options []SearchOption
	for _, m := range orderedObject(raw) {
		var o struct {
			Name, Table, Field, Datatype, UID string
			NoSearch, NoDisplay               bool
			Types                             []string `json:"available_searchtypes"`
		}
		shown := m.Val.(json.RawMessage)
		if shown[0] == '"' {
			options = append(options, SearchOption{Heading: m.Key, Shown: shown})
			continue
		}
		if err := json.Unmarshal(shown, &o); err != nil {
			panic("glpi: search options of " + itemtype + ": " + err.Error())
		}
		id, err := strconv.Atoi(m.Key)
		if err != nil {
			if m.Key != "common" {
				options = append(options, SearchOption{Heading: m.Key, Shown: shown})
			}
			continue
		}
		options = append(options, SearchOption{
			ID: id, Name: o.Name, Table: o.Table, Field: o.Field, DataType: o.Datatype, NoSearch: o.NoSearch,
			NoDisplay: o.NoDisplay, UID: o.UID, Types: o.Types, Values: values[id], Shown: shown, Raw: declared.Get(m.Key),
		})
	}
	return options
}

// plainOptions are the options of a class that the product searches by nothing else: name, id and entity.
func plainOptions(t *Itemtype) []SearchOption {
	name := t.NameField
	if name == "" {
		name = "name"
	}
	var options []SearchOption
	add := func(id int, label, table, field, kind string, types ...string) {
		options = append(options, SearchOption{
			ID: id, Name: label, Table: table, Field: field, DataType: kind, Types: types, UID: t.Name + "." + field,
		})
	}
	if t.Has(name) {
		add(1, "Name", t.Table, name, "itemlink", "contains", "equals", "notequals")
	}
	add(2, "ID", t.Table, "id", "number", "contains")
	if t.Entity != Global {
		add(80, "Entity", "glpi_entities", "completename", "dropdown", "contains", "equals", "notequals", "under", "notunder")
	}
	return options
}

// listSearchOptions answers with what may be searched, as GLPI's screens see it or, with raw, as the classes declare it.
func (r *request) listSearchOptions() (*reply, error) {
	tab, err := r.searched()
	if err != nil {
		return nil, err
	}
	group := tab.typ.Group
	if group == "" {
		group = "Characteristics"
	}
	object := Object{{"common", Object{{"name", group}}}}
	for _, o := range tab.typ.Options {
		switch {
		case o.Heading != "":
			object.Set(o.Heading, o.Shown)
		case r.given("raw"):
			object.Set(strconv.Itoa(o.ID), o.raw())
		case o.Shown != nil:
			object.Set(strconv.Itoa(o.ID), o.Shown)
		default:
			object.Set(strconv.Itoa(o.ID), o.shown())
		}
	}
	return ok(object), nil
}

// searched is the table that /search/X or /listSearchOptions/X is about.
func (r *request) searched() (*table, error) {
	if len(r.path) > 1 {
		if tab := r.server.schema.byName[r.path[1]]; tab != nil {
			return tab, nil
		}
	}
	code := "ERROR_RESOURCE_NOT_FOUND_NOR_COMMONDBTM"
	return nil, documented(http.StatusBadRequest, code, notDBClass(code))
}

func (o SearchOption) shown() Object {
	types := List{}
	for _, t := range o.Types {
		types = append(types, t)
	}
	object := Object{{"name", o.Name}, {"table", o.Table}, {"field", o.Field}}
	if o.DataType != "" {
		object.Set("datatype", o.DataType)
	}
	object.Set("nosearch", o.NoSearch)
	object.Set("nodisplay", o.NoDisplay)
	object.Set("available_searchtypes", types)
	object.Set("uid", o.UID)
	return object
}

func (o SearchOption) raw() any {
	if o.Raw != nil {
		return o.Raw
	}
	object := Object{{"table", o.Table}, {"field", o.Field}, {"name", o.Name}}
	if o.DataType != "" {
		object.Set("datatype", o.DataType)
	}
	object.Set("linkfield", o.linkField(o.Table))
	object.Set("joinparams", List{})
	return object
}

// linkField is the column through which a row reaches the option: the option's own where it names one.
func (o SearchOption) linkField(table string) string {
	if o.LinkField != "" {
		return o.LinkField
	}
	return (&Itemtype{Table: table}).foreignKey()
}

func (t *Itemtype) option(id int) *SearchOption {
	for i := range t.Options {
		if t.Options[i].ID == id && t.Options[i].Heading == "" {
			return &t.Options[i]
		}
	}
	return nil
}

// optionOf is the option over one of the type's own columns; nil when there is none.
func (t *Itemtype) optionOf(column string) *SearchOption {
	for i := range t.Options {
		if t.Options[i].Table == t.Table && t.Options[i].Field == column {
			return &t.Options[i]
		}
	}
	return nil
}
