package glpi

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// DemoOptions say how big the demonstration's world is.
type DemoOptions struct {
	Devices int   // over both companies; 0: none
	Seed    int64 // the same seed gives the same world
}

// Demo is what the rest of the demonstration needs of the seeded server.
type Demo struct {
	ServiceToken string // api_token of an account that administers everything
	Devices      []DemoDevice
}

// DemoDevice is what enrolment left on a phone.
type DemoDevice struct {
	AgentID, ComputerID, EntityID int
	Serial                        string
	APIToken                      string // of the device's own account
	MQTTUser, MQTTPassword        string
	Topic                         string  // "{entity}/agent/{serial}"
	FleetTopic                    string  // "{entity}/fleet/{id}"; "" in the fleet of unmanaged devices
	Generation                    string  // "A" answers over MQTT, "B" over HTTP
	Latitude, Longitude           float64 // where the phone is at first
}

// DemoPassword is the password of the demonstration's people.
const DemoPassword = "demo"

// SeedDemo fills a fresh server with two companies, ACME with Paris and Lyon below it and Globex, their people, fleets,
// policies, files, invitations and enrolled devices.
func (s *Server) SeedDemo(o DemoOptions) Demo {
	tx := s.begin(nil)
	defer tx.end()
	g := &seeder{tx: tx, rand: rand.New(rand.NewPCG(uint64(o.Seed), 0x5eed)), seed: uint64(o.Seed), words: map[string]int{}}
	tx.SetConfig("fusioninventory", "entity_rule", 1)
	g.companies()
	service := g.administrators()
	g.libraries()
	g.fleets()
	g.stock()
	for i := range o.Devices {
		g.device(i)
	}
	g.leaveRoom()
	g.policies()
	g.invitations()
	return Demo{ServiceToken: service, Devices: g.devices}
}

// seeder makes the world. What a device takes is inserted raw, for speed; the rest goes the way the plugin makes it.
type seeder struct {
	tx      *Tx
	rand    *rand.Rand
	seed    uint64
	goods   *catalogue
	states  []int          // of computers
	words   map[string]int // ids of dropdown words by itemtype and name
	sites   []*site
	people  int
	devices []DemoDevice
}

// site is an entity where devices are.
type site struct {
	entity              int
	domain              string
	city                string
	location            int
	latitude, longitude float64
	fleets              []*Row // the unmanaged one first
	owner               *Row   // of the last device, who sometimes has two
}

func (g *seeder) companies() {
	acme := g.entity("ACME", 0)
	globex := g.entity("Globex", 0)
	paris := g.entity("ACME Paris", acme)
	lyon := g.entity("ACME Lyon", acme)
	g.sites = []*site{
		{entity: paris, domain: "acme.test", city: "Paris", latitude: 48.8566, longitude: 2.3522},
		{entity: globex, domain: "globex.test", city: "Berlin", latitude: 52.5200, longitude: 13.4050},
		{entity: lyon, domain: "acme.test", city: "Lyon", latitude: 45.7640, longitude: 4.8357},
		{entity: acme, domain: "acme.test", city: "Paris", latitude: 48.8924, longitude: 2.2360},
	}
	for _, at := range g.sites {
		at.location = g.building(at)
	}
	g.support(acme, "ACME IT help desk", "+33 1 70 00 00 00", "https://help.acme.test", "help@acme.test")
	g.support(globex, "Globex service point", "+49 30 500 0000", "https://it.globex.test", "it@globex.test")
}

// building is where the people of a site work: a location in its town's.
func (g *seeder) building(at *site) int {
	location := func(name string, parent int) int {
		in := Input{"name": name}
		in.Set("entities_id", at.entity)
		in.Set("locations_id", parent)
		return g.must(g.tx.Add("Location", in)).ID()
	}
	return location("Head office", location(at.city, 0))
}

func (g *seeder) entity(name string, parent int) int {
	in := Input{"name": name}
	in.Set("entities_id", parent)
	return g.must(g.tx.Add("Entity", in)).ID()
}

func (g *seeder) support(entity int, name, phone, website, email string) {
	config := g.tx.Row("PluginFlyvemdmEntityConfig", entity)
	for i, value := range []string{name, phone, website, email} {
		config.Set(supportColumns[i], value)
	}
}

// must takes what cannot fail in a fresh store.
func (g *seeder) must(row *Row, err error) *Row {
	if err != nil {
		panic(fmt.Sprintf("glpi: seeding: %v", err))
	}
	return row
}

// administrators are the people with passwords; it returns the api_token of the service account.
func (g *seeder) administrators() string {
	tx := g.tx
	viewer := g.viewerProfile()
	acme, globex := g.sites[3].entity, g.sites[1].entity
	for _, a := range []struct {
		login, first, last string
		profile, entity    int
	}{
		{"admin@acme.test", "Ada", "Martin", superAdmin, acme},
		{"admin@globex.test", "Grace", "Hoffmann", superAdmin, globex},
		{"viewer@acme.test", "Victor", "Leroy", viewer, acme},
		{"viewer@globex.test", "Vera", "Schulz", viewer, globex},
		{"sally@acme.test", "Sally", "Bernard", selfService, acme},
	} {
		g.account(a.login, a.first, a.last, a.profile, a.entity)
	}
	service := g.account("fleetgate-service", "Fleetgate", "Service", superAdmin, 0)
	return tx.UserToken(service)
}

const selfService = 1

func (g *seeder) account(login, first, last string, profile, entity int) *Row {
	in := Input{
		"name": login, "firstname": first, "realname": last, "password": DemoPassword, "password2": DemoPassword, "_is_recursive": "1",
		"language": "en_GB",
	}
	in.Set("entities_id", entity)
	in.Set("profiles_id", profile)
	in.Set("_profiles_id", profile)
	in.Set("_entities_id", entity)
	row := g.must(g.tx.Add("User", in))
	if login != "fleetgate-service" {
		g.email(row, login)
	}
	return row
}

func (g *seeder) email(user *Row, address string) {
	g.tx.Insert("UserEmail", map[string]any{"users_id": user.ID(), "is_default": 1, "email": address})
}

// viewerProfile sees everything of its companies' fleets and changes nothing.
func (g *seeder) viewerProfile() int {
	profile := g.tx.AddProfile("Fleet viewer", "Reads devices, changes nothing")
	rights := map[string]Rights{"flyvemdm:flyvemdm": useFlyve}
	for _, name := range []string{
		"computer", "software", "networking", "internet", "device", "line", "lineoperator", "user", "entity", "document", "dropdown", "location", "state",
	} {
		rights[name] = Read
	}
	for name, bits := range operatorRights {
		if bits&Read != 0 {
			rights[name] = Read
		}
	}
	g.tx.SetRights(profile.ID(), rights)
	return profile.ID()
}

// fleets gives each site some of its own.
func (g *seeder) fleets() {
	names := map[int][]string{
		0: {"Paris phones", "Paris tablets", "Reception & showroom"},
		1: {"Warehouse", "Drivers & couriers", "Head office"},
		2: {"Lyon phones", "Service technicians"},
		3: {"Management", "Field sales"},
	}
	for i, at := range g.sites {
		at.fleets = []*Row{g.tx.defaultFleet(at.entity)}
		for _, name := range names[i] {
			in := Input{"name": name}
			in.Set("entities_id", at.entity)
			at.fleets = append(at.fleets, g.must(g.tx.Add("PluginFlyvemdmFleet", in)))
		}
	}
}

// word is the id of a dropdown's word.
func (g *seeder) word(itemtype, name string) int {
	key := itemtype + "\x00" + name
	if g.words[key] == 0 {
		g.words[key] = g.tx.word(itemtype, name)
	}
	return g.words[key]
}

// ago is the present minus a random time of at most d, as the store holds it.
func (g *seeder) ago(d time.Duration) string {
	return g.tx.Now().Add(-time.Duration(g.rand.Int64N(int64(d)))).Format(dateLayout)
}

func (g *seeder) chance(percent int) bool { return g.rand.IntN(100) < percent }

func pick[T any](g *seeder, from []T) T { return from[g.rand.IntN(len(from))] }
