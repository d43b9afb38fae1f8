package glpi

import (
	"fmt"
	"strings"
	"testing"
)

// stocked is a server with twenty computers in one company, five of which belong to its administrator.
func stocked(t *testing.T) (*Server, *client) {
	s := newServer(t, Options{})
	_, acme := company(t, s, "acme")
	tx := s.begin(nil)
	defer tx.end()
	model := tx.Insert("ComputerModel", map[string]any{"name": "SM-G920"})
	for i := range 20 {
		row := tx.Insert("Computer", map[string]any{"name": fmt.Sprintf("pc%02d", i), "entities_id": 1, "computermodels_id": model.ID(), "serial": i})
		if i < 5 {
			row.Set("users_id", 7)
		}
	}
	tx.Insert("Computer", map[string]any{"name": "of the root", "entities_id": 0, "is_recursive": 1})
	return s, acme
}

func TestLists(t *testing.T) {
	_, c := stocked(t)
	for _, l := range []struct {
		query, status, header string
		rows                  int
		part                  string
	}{
		{"", "200", "0-15/20", 16, `"id":1`},
		{"range=0-4", "206", "0-4/20", 5, ``},
		{"range=0-99", "200", "0-19/20", 20, ``},
		{"range=20-25", "206", "20-19/20", 0, ``},
		{"range=21-25", "400", "", -1, `Provided range exceed total count of data: 20;`},
		{"range=9-5", "400", "", -1, `Provided range exceed total count of data: 1;`},
		{"range=x", "400", "", -1, `range must be in format : [start-end] with integers;`},
		{"sort=nope", "400", "", -1, `sort param is not a field of glpi_computers;`},
		{"order=up", "400", "", -1, `order must be DESC or ASC;`},
		{"range=0-0&sort=name&order=desc", "206", "0-0/20", 1, `"name":"pc19"`},
		{"range=0-1&only_id=true", "206", "0-1/20", 2, `[{"id":1},{"id":2}]`},
		{"searchText[name]=^pc1", "200", "0-15/10", 10, ``},
		{"searchText[name]=c05$", "200", "0-15/1", 1, `"name":"pc05"`},
		{"searchText[contact]=NULL&range=0-0", "206", "0-0/20", 1, ``},
		{"searchText[serial]=0", "200", "0-15/20", 16, ``},
		{"searchText[serial]=^0$", "200", "0-15/1", 1, `"name":"pc00"`},
		{"searchText[nope]=1&range=0-2", "200", "0-0/1", 0, `[]`},
		{"searchText[name]=O'Brien", "200", "0-15/1", 0, `[]`},
		{"searchText[name]=zzz", "200", "", 0, `[]`},
		{"is_deleted=true", "200", "", 0, `[]`},
		{"range=0-0&expand_dropdowns=true", "206", "0-0/20", 1, `"entities_id":"Root entity > acme"`},
		{"range=0-0&get_hateoas=false", "206", "0-0/20", 1, ``},
	} {
		t.Run(l.query, func(t *testing.T) {
			w := c.send("GET", "/Computer?"+l.query, "")
			n, err := nodeOf(w.Body.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(w.Code) != l.status || w.Header().Get("Content-Range") != l.header || !strings.Contains(w.Body.String(), l.part) {
				t.Errorf("%d %q %.300s", w.Code, w.Header().Get("Content-Range"), w.Body)
			}
			if l.rows >= 0 && len(n.kids) != l.rows {
				t.Errorf("%d rows, wanted %d", len(n.kids), l.rows)
			}
			if has := strings.Contains(w.Body.String(), `"links"`); has != (l.rows > 0 && !strings.Contains(l.query, "only_id") && !strings.Contains(l.query, "hateoas")) {
				t.Errorf("links: %v", has)
			}
		})
	}
	for _, id := range []string{"0", "-1", "abc"} { // no items: lists
		c.want("GET", "/Computer/"+id+"?range=0-0", "", 206, `[{"id":1,`)
	}
	c.want("GET", "/User/7/Computer?range=0-0", "", 206, `"users_id":7`)
	c.want("GET", "/User/7/ComputerModel", "", 200, `SM-G920`) // no join: the whole table
	c.want("GET", "/User/99/Computer", "", 404, `ERROR_ITEM_NOT_FOUND`)
	c.want("GET", "/User/6/Computer", "", 401, `ERROR_RIGHT_MISSING`)
	c.want("GET", "/Computer/21", "", 200, `of the root`) // recursive from above: by id, not in lists
}

func TestItems(t *testing.T) {
	_, c := stocked(t)
	c.want("GET", "/Computer/1", "", 200, `"links":[{"rel":"Entity","href":"http://glpi.test/apirest.php/Entity/1"},{"rel":"ComputerModel",`)
	c.want("GET", "/Computer/1?expand_dropdowns=true", "", 200, `"computermodels_id":"SM-G920","computertypes_id":0,`)
	c.want("GET", "/Computer/99", "", 404, `ERROR_ITEM_NOT_FOUND`)
	c.want("GET", "/Computer/1?with_devices=true&with_disks=true&get_hateoas=false", "", 200, `"_devices":[],"_disks":[]}`)
	if w := c.send("GET", "/Computer/1?get_sha1=true", ""); w.Code != 200 || len(w.Body.String()) != 42 {
		t.Errorf("sha1: %s", w.Body)
	}
	c.want("GET", "/getMultipleItems?items[0][itemtype]=Computer&items[0][items_id]=2&items[1][itemtype]=User&items[1][items_id]=7&get_hateoas=false", "", 200, `[{"id":2,`)
	c.want("GET", "/getMultipleItems?items[0][itemtype]=Computer&items[0][items_id]=2&items[1][itemtype]=User&items[1][items_id]=6", "", 401, `ERROR_RIGHT_MISSING`)
	c.want("GET", "/getMultipleItems?items[0][itemtype]=Computer&items[0][items_id]=99", "", 404, `ERROR_ITEM_NOT_FOUND`)
	c.want("GET", "/getMultipleItems?items[0][itemtype]=Nope&items[0][items_id]=1", "", 500, ``)
	c.want("GET", "/getMultipleItems", "", 400, `ERROR_BAD_ARRAY`)
}

func TestSearches(t *testing.T) {
	_, c := stocked(t)
	criterion := func(n, field int, kind, value string) string {
		return fmt.Sprintf("criteria[%[1]d][field]=%[2]d&criteria[%[1]d][searchtype]=%[3]s&criteria[%[1]d][value]=%[4]s&", n, field, kind, value)
	}
	for _, q := range []struct {
		name, query string
		status      int
		part        string
	}{
		{"all", "range=0-1&forcedisplay[0]=2", 206, `{"totalcount":21,"count":2,"sort":1,"order":"ASC","data":[{"1":"of the root","80":"Root entity","2":21},{"1":"pc00","80":"Root entity > acme","2":1}],"content-range":"0-1/21"}`},
		{"no range", "forcedisplay[0]=2", 206, `"totalcount":21,"count":15,`},
		{"contains", criterion(0, 1, "contains", "pc1"), 200, `{"totalcount":10,"count":10,`},
		{"anchored", criterion(0, 1, "contains", "^pc1$"), 200, `{"totalcount":0,"count":0,"sort":1,"order":"ASC","content-range":"0--1/0"}`},
		{"id contains", criterion(0, 2, "contains", "3"), 200, `{"totalcount":1,`},
		{"equals own id", criterion(0, 1, "equals", "4"), 200, `"data":[{"1":"pc03"`},
		{"equals foreign id", criterion(0, 40, "equals", "1"), 206, `{"totalcount":20,`},
		{"notequals", criterion(0, 40, "notequals", "1"), 200, `{"totalcount":1,`},
		{"or", criterion(0, 2, "equals", "1") + "criteria[1][link]=OR&" + criterion(1, 2, "equals", "2"), 200, `{"totalcount":2,`},
		{"and not", criterion(0, 1, "contains", "pc0") + "criteria[1][link]=AND NOT&" + criterion(1, 1, "contains", "pc05"), 200, `{"totalcount":9,`},
		{"under", criterion(0, 80, "under", "1"), 206, `{"totalcount":20,`},
		{"unknown type", criterion(0, 1, "almost", "pc1"), 200, `{"totalcount":10,`},
		{"apostrophe", criterion(0, 1, "contains", "O'Brien"), 200, `{"totalcount":null,"count":0,"sort":1,"order":"ASC","content-range":"0--1/"}`},
		{"bad field", criterion(0, 4242, "contains", "1"), 400, "Bad field ID in search criteria"},
		{"malformed", "criteria[0][field]=1", 400, "Malformed search criteria"},
		{"past the end", "range=21-30", 206, `"count":0,"sort":1,"order":"ASC","content-range":"21-20/21"}`},
		{"out of range", "range=22-30", 400, "ERROR_RANGE_EXCEED_TOTAL"},
		{"sorted", "sort=2&order=DESC&range=0-0", 206, `"sort":2,"order":"DESC","data":[{"1":"of the root"`},
		{"by index", "withindexes=1&range=0-0&forcedisplay[0]=2", 206, `"data":{"21":{"1":"of the root"`},
		{"by uid", "uid_cols=1&range=0-0&forcedisplay[0]=2", 206, `{"Computer.name":"of the root"`},
		{"html", "giveItems=1&range=0-0&forcedisplay[0]=2", 206, `"data_html":[{"1":"<a id='Computer_21_1' href='/glpi/front/computer.form.php?id=21'>of the root</a>"`},
	} {
		t.Run(q.name, func(t *testing.T) { c.want("GET", "/search/Computer?"+q.query, "", q.status, q.part) })
	}
	c.want("GET", "/search/Nope", "", 400, "ERROR_RESOURCE_NOT_FOUND_NOR_COMMONDBTM")
	c.want("GET", "/search/User?"+criterion(0, 5, "contains", "^admin@acme.test$"), "", 200, `"5":"admin@acme.test"`)
}
