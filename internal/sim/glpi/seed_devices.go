package glpi

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

var (
	versionsA = []string{"2.0.0", "2.0.3", "2.0.6"}
	versionsB = []string{"2.1.0", "2.1.2"}
)

// device enrols the i-th device: with an owner, a computer, accounts and a fleet.
func (g *seeder) device(i int) {
	at := g.sites[[]int{0, 1, 0, 1, 2, 1, 3}[i%7]]
	m := &models[g.rand.IntN(len(models))]
	if m.apple && !g.chance(40) {
		m = &models[g.rand.IntN(len(models)-1)]
	}
	generation := string("AB"[i%2])
	if m.apple {
		generation = "A" // the agent for iOS never learned to answer over HTTP
	}
	owner := g.ownerAt(at)
	d := DemoDevice{
		EntityID: at.entity, Serial: serialNumber(m, i), Generation: generation,
		Latitude: at.latitude + g.rand.NormFloat64()*0.03, Longitude: at.longitude + g.rand.NormFloat64()*0.04,
	}
	computer := g.computer(d, m, owner, i)
	g.furnishLater(computer, m, at.domain)
	machine := g.machine(d)
	fleet := at.fleets[0]
	if g.chance(88) {
		fleet = pick(g, at.fleets[1:])
	}
	agent := g.agent(d, m, computer, machine, fleet, owner)
	d.AgentID, d.ComputerID, d.APIToken = agent.ID(), computer.ID(), machine.Str("api_token")
	d.Topic, d.FleetTopic = g.tx.agentTopic(agent), fleetTopic(fleet)
	d.MQTTUser, d.MQTTPassword = d.Serial, g.mqttAccount(d)
	if !agent.IsNull("last_contact") {
		g.positions(d, agent.Str("last_contact"))
	}
	if i%40 == 7 && i < 200 {
		agent.Set("lock", 1)
		g.tx.command(agent, "Lock", `{"lock":"now"}`, true)
	}
	g.devices = append(g.devices, d)
}

// serialNumber is one in the maker's style.
func serialNumber(m *model, i int) string {
	switch m.maker {
	case "Samsung":
		return fmt.Sprintf("R58M%05XK", 0x31000+i)
	case "Google":
		return fmt.Sprintf("9A271FFAZ%05d", i)
	case "Apple":
		return fmt.Sprintf("F2LZ%04XN70", 0x1000+i)
	case "Zebra":
		return strconv.Itoa(19_083_522_500_000 + i) // a number, which JSON shows as one
	}
	return fmt.Sprintf("%s%07d", strings.ToUpper(m.maker[:2]), 1_000_000+i*7)
}

func (g *seeder) computer(d DemoDevice, m *model, owner *Row, i int) *Row {
	tx := g.tx
	added := g.ago(300 * 24 * time.Hour)
	computer := tx.Insert("Computer", map[string]any{
		"entities_id": d.EntityID, "name": fmt.Sprintf("%s-%04d", strings.ReplaceAll(m.name, " ", "-"), i+1), "serial": d.Serial,
		"computermodels_id": g.word("ComputerModel", m.code), "manufacturers_id": g.word("Manufacturer", m.maker), "is_dynamic": 1,
		"users_id": owner.ID(), "locations_id": owner.Int("locations_id"), "states_id": g.states[i%9/8], "uuid": tx.uuid(),
		"computertypes_id": g.word("ComputerType", m.kind()), "date_creation": added, "date_mod": added,
	})
	tx.Insert("Item_OperatingSystem", map[string]any{
		"items_id": computer.ID(), "itemtype": "Computer", "operatingsystems_id": g.word("OperatingSystem", m.system),
		"operatingsystemkernelversions_id": g.goods.kernel, "operatingsystemservicepacks_id": g.goods.fix,
		"operatingsystemversions_id": g.word("OperatingSystemVersion", pick(g, m.versions)), "is_dynamic": 1, "entities_id": d.EntityID,
		"operatingsystemarchitectures_id": g.word("OperatingSystemArchitecture", "aarch64"), "date_creation": added, "date_mod": added,
	})
	return computer
}

// machine is the device's own account.
func (g *seeder) machine(d DemoDevice) *Row {
	tx := g.tx
	date := tx.Date()
	row := tx.Insert("User", map[string]any{
		"name": "flyvemdm-" + tx.uuid(), "realname": d.Serial, "profiles_id": tx.agentProfile(), "api_token": tx.Token(40),
		"api_token_date": date, "date_creation": date, "date_mod": date,
	})
	tx.Insert("Profile_User", map[string]any{
		"users_id": row.ID(), "profiles_id": tx.agentProfile(), "entities_id": d.EntityID, "is_recursive": 0,
	})
	return row
}

func (g *seeder) agent(d DemoDevice, m *model, computer, machine, fleet, owner *Row) *Row {
	version, kind := pick(g, versionsA), "android"
	switch {
	case m.apple:
		version, kind = "1.2.0", "apple"
	case d.Generation == "B":
		version = pick(g, versionsB)
	}
	values := map[string]any{
		"name": g.emailOf(owner), "version": version, "computers_id": computer.ID(), "users_id": machine.ID(), "entities_id": d.EntityID,
		"plugin_flyvemdm_fleets_id": fleet.ID(), "mdm_type": kind, "notification_type": "mqtt",
	}
	switch n := g.rand.IntN(100); {
	case n < 8: // never seen
	case n < 20:
		values["last_contact"] = g.ago(40 * 24 * time.Hour)
	default:
		values["last_contact"] = g.ago(20 * time.Hour)
	}
	return g.tx.Insert("PluginFlyvemdmAgent", values)
}

func (g *seeder) emailOf(user *Row) string {
	if row := g.tx.First("UserEmail", "users_id", user.ID()); row != nil {
		return row.Str("email")
	}
	return user.Str("name")
}

// mqttAccount is what the guest's first reading of the agent makes, with the fleet's topics added.
func (g *seeder) mqttAccount(d DemoDevice) (password string) {
	tx := g.tx
	password = tx.Token(32)
	account := tx.Insert("PluginFlyvemdmMqttuser", map[string]any{"user": d.Serial, "password": password})
	acl := deviceACL(d.Topic)
	if d.FleetTopic != "" {
		acl = append(acl, ACL{d.FleetTopic + "/#", 1})
	}
	for _, a := range acl {
		tx.Insert("PluginFlyvemdmMqttacl", map[string]any{aclAccount: account.ID(), "topic": a.Topic, "access_level": a.Access})
	}
	tx.SetAccount(d.Serial, password, acl)
	return password
}

// positions is a short walk that ends where the phone is.
func (g *seeder) positions(d DemoDevice, last string) {
	end, err := time.ParseInLocation(dateLayout, last, g.tx.s.opts.Location)
	if err != nil {
		return
	}
	steps := g.rand.IntN(4)
	for left := steps; left > 0; left-- {
		away := float64(left - 1)
		g.tx.Insert("PluginFlyvemdmGeolocation", map[string]any{
			"computers_id": d.ComputerID, "latitude": degrees(d.Latitude - away*0.004), "longitude": degrees(d.Longitude - away*0.006),
			"date": end.Add(-time.Duration(left-1) * 25 * time.Minute).Format(dateLayout),
		})
	}
	if steps == 0 && g.chance(10) {
		g.tx.Insert("PluginFlyvemdmGeolocation", map[string]any{"computers_id": d.ComputerID, "date": last}) // GPS was off
	}
}

// degrees is an angle with five decimals.
func degrees(v float64) string {
	return strconv.FormatFloat(math.Round(v*1e5)/1e5, 'f', -1, 64)
}
