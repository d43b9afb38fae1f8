package glpi

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// searchClient searches as a dashboard does and reads the ids that come back.
type searchClient struct{ *client }

// criteria writes criteria as a query: triples of field, kind and value, joined by the links between them.
func criteria(parts ...string) string {
	q := url.Values{}
	for n := 0; len(parts) > 0; n++ {
		if n > 0 {
			q.Set(fmt.Sprintf("criteria[%d][link]", n), parts[0])
			parts = parts[1:]
		}
		for i, key := range []string{"field", "searchtype", "value"} {
			q.Set(fmt.Sprintf("criteria[%d][%s]", n, key), parts[i])
		}
		parts = parts[3:]
	}
	return q.Encode()
}

var foundID = regexp.MustCompile(`"2":(\d+)`)

// ids is what a search finds, in its order.
func (c searchClient) ids(itemtype, query string) []int {
	c.t.Helper()
	body := c.want("GET", "/search/"+itemtype+"?forcedisplay[0]=2&range=0-999&sort=2&"+query, "", 200, `"totalcount":`).Body.String()
	var ids []int
	for _, m := range foundID.FindAllStringSubmatch(body, -1) {
		id, err := strconv.Atoi(m[1])
		if err != nil {
			c.t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if !strings.Contains(body, fmt.Sprintf(`"totalcount":%d,`, len(ids))) {
		c.t.Errorf("%d ids in %.300s", len(ids), body)
	}
	return ids
}

// where is the ids of the rows that a test in Go finds, for comparison.
func (c searchClient) where(itemtype string, fits func(tx *Tx, row *Row) bool) []int {
	tx := c.s.begin(nil)
	defer tx.end()
	var ids []int
	for _, row := range tx.Rows(itemtype) {
		if fits(tx, row) {
			ids = append(ids, row.ID())
		}
	}
	return ids
}

func searchDemo(t *testing.T) searchClient {
	s := newServer(t, Options{})
	s.SeedDemo(DemoOptions{Devices: 80, Seed: 2})
	tx := s.begin(nil)
	tx.Row("PluginFlyvemdmAgent", 5).Set("is_online", 1)
	tx.Row("PluginFlyvemdmAgent", 6).Set("wipe", 1)
	tx.Row("Computer", 4).Set("users_id", 0)
	tx.end()
	return searchClient{signIn(t, s, "glpi", "glpi")}
}

// TestAgentSearch finds devices by each option that lists of them filter by.
func TestAgentSearch(t *testing.T) {
	c := searchDemo(t)
	week := time.Date(2026, 11, 14, 10, 0, 0, 0, time.UTC).Format(dateLayout)
	fleet := rowID(t, c.s, "PluginFlyvemdmFleet", "name", "Warehouse")
	text := func(column, want string) func(*Tx, *Row) bool {
		return func(_ *Tx, row *Row) bool { return row.Str(column) == want }
	}
	for _, q := range []struct {
		name, query string
		fits        func(tx *Tx, row *Row) bool
	}{
		{"fleet by name", criteria("3", "contains", "^Warehouse$"), text("plugin_flyvemdm_fleets_id", fleet)},
		{"fleet by id", criteria("3", "equals", fleet), text("plugin_flyvemdm_fleets_id", fleet)},
		{"fleet's id", criteria("7", "contains", fleet), text("plugin_flyvemdm_fleets_id", fleet)},
		{"computer", criteria("4", "equals", "7"), text("computers_id", "7")},
		{"not in fleet", criteria("3", "notequals", fleet), func(_ *Tx, row *Row) bool { return row.Str("plugin_flyvemdm_fleets_id") != fleet }},
		{"version", criteria("10", "contains", "^2.1.2$"), text("version", "2.1.2")},
		{"online", criteria("11", "equals", "1"), text("is_online", "1")},
		{"platform", criteria("12", "contains", "^apple$"), text("mdm_type", "apple")},
		{"system permission", criteria("13", "equals", "0"), text("has_system_permission", "0")},
		{"enrolled", criteria("14", "equals", "enrolled"), text("enroll_status", "enrolled")},
		{"locked", criteria("16", "equals", "1"), text("lock", "1")},
		{"wiped", criteria("15", "equals", "1"), text("wipe", "1")},
		{"entity", criteria("17", "equals", "2"), text("entities_id", "2")},
		{"entity and below", criteria("17", "under", "1"), func(_ *Tx, row *Row) bool { return row.Int("entities_id") != 2 }},
		{"seen since", criteria("8", "morethan", week), func(_ *Tx, row *Row) bool { return row.Str("last_contact") > week }},
		{"seen in the last week", criteria("8", "morethan", "-7DAY"), func(_ *Tx, row *Row) bool { return row.Str("last_contact") > week }},
		{"not seen since", criteria("8", "lessthan", week), func(_ *Tx, row *Row) bool { return !row.IsNull("last_contact") && row.Str("last_contact") < week }},
		{"never seen", criteria("8", "contains", "NULL"), func(_ *Tx, row *Row) bool { return row.IsNull("last_contact") }},
		{"seen today", criteria("8", "contains", "2026-11-21"), func(_ *Tx, row *Row) bool { return strings.HasPrefix(row.Str("last_contact"), "2026-11-21") }},
		{"AND before OR", criteria("12", "contains", "apple", "OR", "17", "equals", "2", "AND", "3", "equals", fleet), func(_ *Tx, row *Row) bool {
			return row.Str("mdm_type") == "apple" || row.Str("plugin_flyvemdm_fleets_id") == fleet
		}},
		{"AND NOT", criteria("17", "equals", "2", "AND NOT", "3", "equals", fleet), func(_ *Tx, row *Row) bool {
			return row.Int("entities_id") == 2 && row.Str("plugin_flyvemdm_fleets_id") != fleet
		}},
	} {
		t.Run(q.name, func(t *testing.T) {
			if got, want := c.ids("PluginFlyvemdmAgent", q.query), c.where("PluginFlyvemdmAgent", q.fits); !slices.Equal(got, want) || len(got) == 0 {
				t.Errorf("found %v, wanted %v", got, want)
			}
		})
	}
}

// TestComputerSearch finds computers by what an inventory knows of them, and by another class's rows.
func TestComputerSearch(t *testing.T) {
	c := searchDemo(t)
	named := func(itemtype, key, want string) func(*Tx, *Row) bool {
		return func(tx *Tx, row *Row) bool { return tx.Row(itemtype, row.Int(key)).Str("name") == want }
	}
	runs := func(version string) func(*Tx, *Row) bool {
		return func(tx *Tx, row *Row) bool {
			return tx.Row("OperatingSystemVersion", tx.linked("Item_OperatingSystem", row)[0].Int("operatingsystemversions_id")).Str("name") == version
		}
	}
	has := func(app string) func(*Tx, *Row) bool {
		return func(tx *Tx, row *Row) bool {
			return slices.ContainsFunc(tx.softwareOn(row), func(software *Row) bool { return software.Str("name") == app })
		}
	}
	meta := func(itemtype, field, value string) string {
		return "metacriteria[0][link]=AND&metacriteria[0][itemtype]=" + itemtype + "&metacriteria[0][field]=" + field +
			"&metacriteria[0][searchtype]=contains&metacriteria[0][value]=" + url.QueryEscape(value)
	}
	serial := ""
	c.where("Computer", func(_ *Tx, row *Row) bool {
		if row.ID() == 9 {
			serial = row.Str("serial")
		}
		return false
	})
	for _, q := range []struct {
		name, query string
		fits        func(tx *Tx, row *Row) bool
	}{
		{"serial", criteria("5", "contains", "^"+serial+"$"), func(_ *Tx, row *Row) bool { return row.Str("serial") == serial }},
		{"maker", criteria("23", "contains", "Samsung"), named("Manufacturer", "manufacturers_id", "Samsung")},
		{"model", criteria("40", "contains", "^Pixel 4$"), named("ComputerModel", "computermodels_id", "Pixel 4")},
		{"type", criteria("4", "contains", "Tablet"), named("ComputerType", "computertypes_id", "Tablet")},
		{"status", criteria("31", "contains", "In repair"), named("State", "states_id", "In repair")},
		{"system", criteria("45", "contains", "iOS"), func(tx *Tx, row *Row) bool {
			return named("Manufacturer", "manufacturers_id", "Apple")(tx, row)
		}},
		{"version", criteria("46", "contains", "^11$"), runs("11")},
		{"owner's last name", criteria("70", "contains", "Dupont"), func(tx *Tx, row *Row) bool { return ownerOf(tx, row) == "Dupont" }},
		{"nobody's", criteria("70", "equals", "0"), func(_ *Tx, row *Row) bool { return row.Int("users_id") == 0 }},
		{"memory", criteria("35", "morethan", "5000"), func(tx *Tx, row *Row) bool { return tx.linked("Item_DeviceMemory", row)[0].Int("size") > 5000 }},
		{"meta software", meta("Software", "1", "^Signal$"), has("Signal")},
		{"meta system", meta("OperatingSystem", "1", "iOS"), named("Manufacturer", "manufacturers_id", "Apple")},
		{"meta user", meta("User", "34", "^Moreau$"), func(tx *Tx, row *Row) bool { return ownerOf(tx, row) == "Moreau" }},
	} {
		t.Run(q.name, func(t *testing.T) {
			if got, want := c.ids("Computer", q.query), c.where("Computer", q.fits); !slices.Equal(got, want) || len(got) == 0 {
				t.Errorf("found %v, wanted %v", got, want)
			}
		})
	}
	c.want("GET", "/search/PluginFlyvemdmAgent?"+meta("Software", "1", "Signal"), "", 200, `{"totalcount":null,`) // nothing joins them
	c.want("GET", "/search/Computer?"+meta("Nope", "1", "x"), "", 400, "Malformed search criteria")
}

// ownerOf is the last name of a computer's user; "" for nobody's.
func ownerOf(tx *Tx, computer *Row) string {
	if user := tx.Row("User", computer.Int("users_id")); user != nil {
		return user.Str("realname")
	}
	return ""
}

// TestSoftwareSearch finds applications, with how many devices have them, as the old dashboard does for one computer.
func TestSoftwareSearch(t *testing.T) {
	c := searchDemo(t)
	onSeven := "metacriteria[0][link]=AND&metacriteria[0][itemtype]=Computer&metacriteria[0][field]=2&metacriteria[0][searchtype]=contains&metacriteria[0][value]=7"
	want := c.where("Software", func(tx *Tx, row *Row) bool {
		return slices.ContainsFunc(tx.computersWith(row), func(computer *Row) bool { return computer.ID() == 7 })
	})
	if got := c.ids("Software", onSeven); !slices.Equal(got, want) || len(got) < preinstalled {
		t.Errorf("found %v, wanted %v", got, want)
	}
	c.want("GET", "/search/Software?"+criteria("1", "contains", "^Maps$")+"&forcedisplay[0]=23&forcedisplay[1]=5&forcedisplay[2]=72", "", 200,
		`"23":"Google","5":[11.4,11.57,9.1],"72":80}`) // 11.40 is 11.4 to JSON
}

// TestUserSearch finds people by what lists of them filter and sort by.
func TestUserSearch(t *testing.T) {
	c := searchDemo(t)
	c.want("PUT", "/User/"+rowID(t, c.s, "User", "name", "sally@acme.test"), `{"input":{"is_active":"0","begin_date":"2026-01-01 00:00:00","end_date":"2026-06-30 00:00:00","mobile":"0612"}}`, 200, "true")
	sally := func(_ *Tx, row *Row) bool { return row.Str("name") == "sally@acme.test" }
	title := rowID(t, c.s, "UserTitle", "name", "Driver")
	for _, q := range []struct {
		name, query string
		fits        func(tx *Tx, row *Row) bool
	}{
		{"login", criteria("1", "contains", "^sally@acme.test$"), sally},
		{"address", criteria("5", "contains", "^sally@acme.test$"), sally},
		{"inactive", criteria("8", "equals", "0"), sally},
		{"first name", criteria("9", "contains", "^Sally$"), sally},
		{"mobile", criteria("11", "contains", "612"), func(_ *Tx, row *Row) bool { return strings.Contains(row.Str("mobile"), "612") }},
		{"phone", criteria("6", "contains", "^+33"), func(_ *Tx, row *Row) bool { return strings.HasPrefix(row.Str("phone"), "+33") }},
		{"valid from", criteria("62", "lessthan", "2026-02-01"), sally},
		{"valid until", criteria("63", "lessthan", "NOW"), sally},
		{"language", criteria("17", "contains", "en_GB"), func(_ *Tx, row *Row) bool { return row.Str("language") == "en_GB" }},
		{"title", criteria("81", "equals", title), func(_ *Tx, row *Row) bool { return row.Str("usertitles_id") == title }},
		{"category", criteria("82", "contains", "Trainee"), func(tx *Tx, row *Row) bool {
			category := tx.Row("UserCategory", row.Int("usercategories_id"))
			return category != nil && category.Str("name") == "Trainee"
		}},
		{"granted profile", criteria("20", "contains", "Fleet viewer"), func(_ *Tx, row *Row) bool { return strings.HasPrefix(row.Str("name"), "viewer@") }},
		{"default entity", criteria("77", "equals", "2"), func(_ *Tx, row *Row) bool { return row.Int("entities_id") == 2 }},
		{"default profile", criteria("79", "contains", "Fleet viewer"), func(_ *Tx, row *Row) bool { return strings.HasPrefix(row.Str("name"), "viewer@") }},
		{"O''Brien", criteria("34", "contains", "^O''Brien$"), func(_ *Tx, row *Row) bool { return row.Str("realname") == "O'Brien" }},
		{"no machines", criteria("1", "contains", "@"), func(_ *Tx, row *Row) bool { return strings.Contains(row.Str("name"), "@") }},
	} {
		t.Run(q.name, func(t *testing.T) {
			if got, want := c.ids("User", q.query), c.where("User", q.fits); !slices.Equal(got, want) || len(got) == 0 {
				t.Errorf("found %v, wanted %v", got, want)
			}
		})
	}
	c.want("GET", "/search/User?"+criteria("34", "contains", "O'Brien"), "", 200, `{"totalcount":null,"count":0,`) // as 618 shows
	c.want("DELETE", "/User/"+rowID(t, c.s, "User", "name", "sally@acme.test"), "", 200, "true")
	if got := c.ids("User", "is_deleted=1&"+criteria("1", "contains", "sally")); len(got) != 1 {
		t.Errorf("in the trash: %v", got)
	}
	if got := c.ids("User", criteria("1", "contains", "sally")); len(got) != 0 {
		t.Errorf("not in the trash: %v", got)
	}
}

// TestTaskSearch finds tasks and their statuses, of every company, as 502 and 503 show.
func TestTaskSearch(t *testing.T) {
	c := searchDemo(t)
	fleet := rowID(t, c.s, "PluginFlyvemdmFleet", "name", "Warehouse")
	onFleet := c.ids("PluginFlyvemdmTask", criteria("9", "contains", "^PluginFlyvemdmFleet$", "AND", "10", "contains", "^"+fleet+"$"))
	want := c.where("PluginFlyvemdmTask", func(_ *Tx, row *Row) bool {
		return row.Str("itemtype_applied") == "PluginFlyvemdmFleet" && row.Str("items_id_applied") == fleet
	})
	if !slices.Equal(onFleet, want) || len(want) == 0 {
		t.Errorf("tasks %v, wanted %v", onFleet, want)
	}
	task := strconv.Itoa(want[0])
	for _, q := range []struct {
		query string
		fits  func(*Row) bool
	}{
		{criteria("6", "contains", "^"+task+"$"), func(row *Row) bool { return row.Str("plugin_flyvemdm_tasks_id") == task }},
		{criteria("5", "contains", "^9$"), func(row *Row) bool { return row.Int("plugin_flyvemdm_agents_id") == 9 }},
		{criteria("6", "contains", "^"+task+"$", "AND", "7", "contains", "^done$"), func(row *Row) bool {
			return row.Str("plugin_flyvemdm_tasks_id") == task && row.Str("status") == "done"
		}},
	} {
		want := c.where("PluginFlyvemdmTaskstatus", func(_ *Tx, row *Row) bool { return q.fits(row) })
		if got := c.ids("PluginFlyvemdmTaskstatus", q.query); !slices.Equal(got, want) || len(got) == 0 {
			t.Errorf("%s found %v, wanted %v", q.query, got, want)
		}
	}
	globex := searchClient{signIn(t, c.s, "admin@globex.test", DemoPassword)}
	if got := globex.ids("PluginFlyvemdmTask", ""); len(got) != len(c.where("PluginFlyvemdmTask", func(*Tx, *Row) bool { return true })) {
		t.Errorf("Globex sees %d tasks", len(got))
	}
}

// TestPlainOptions: every class can be searched by name, id and entity at least.
func TestPlainOptions(t *testing.T) {
	c := searchDemo(t)
	c.want("GET", "/search/Location?"+criteria("1", "contains", "Head office"), "", 200, `"totalcount":4,`)
	c.want("GET", "/search/UserEmail?"+criteria("1", "contains", "^admin@globex.test$")+"&forcedisplay[0]=2", "", 200, `"totalcount":1,`)
	c.want("GET", "/listSearchOptions/Line", "", 200, `"80":{"name":"Entity","table":"glpi_entities","field":"completename","datatype":"dropdown"`)
}
