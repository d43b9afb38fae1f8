package glpi

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"
)

// script is what a replay needs beside the records: the steps that were kept back, and what is known not to match.
type script struct {
	start     time.Time
	signedIn  map[string]string                       // session tokens whose signing in was kept back: the login, or "login as profile"
	tokens    map[string]string                       // api_tokens that no record shows: the login
	at        map[int]time.Time                       // the time of an exchange, where its record has none
	answers   map[int]func(r *replayer, topic string) // what a device does when the plugin publishes during an exchange
	before    map[int]func(*replayer)                 // steps to do before an exchange
	port      int                                     // of the recorder's broker
	shapeOnly map[int]string                          // exchanges of which values are not compared, with the reason
	unmatched map[int]string                          // exchanges that do not match in full, with the reason
}

// in does steps that were kept back, with the store at hand.
func in(step func(r *replayer, tx *Tx)) func(*replayer) {
	return func(r *replayer) {
		tx := r.s.begin(nil)
		defer tx.end()
		step(r, tx)
	}
}

const ties = "rows that sort alike come in MySQL's own order"

func firstRun() *script {
	admin := "admin@acme.test as Super-Admin"
	return &script{
		start: time.Date(2026, 11, 21, 9, 6, 0, 0, time.UTC),
		signedIn: map[string]string{
			"muhltiot602gsbd79qpveej26n": "user00@acme.test as Flyve MDM guest users", "7jedk8i6utc5odtn0of1fo2tsv": admin,
			"ouktp8rbjue6eciphl5so5ip6h": admin, "jh8u9c8n0eh1v2j8ju4314c61r": admin, "s0nbih581aasd6nefgje0cq72e": admin,
			"jste16rpn5nfppdr14gh6tn035": "rearm@acme.test as Flyve MDM guest users",
			"7cmulloor9gfnb0n43cbhmun4c": "rearm@acme.test as Flyve MDM guest users",
			"6k3fknqitj2cm0bb0s73gs3k0e": "rearm2@acme.test as Flyve MDM guest users",
			"950ogqn1vphho3f1cdif49dbda": "rearm2@acme.test as Flyve MDM guest users",
		},
		tokens: map[string]string{"MXVIXTcrjBYGJORuEvuHa8NNrC3WoLHMGkxLPv5Y": "erin@acme.test"},
		at: map[int]time.Time{
			101: time.Date(2026, 11, 21, 9, 8, 29, 0, time.UTC), 201: time.Date(2026, 11, 21, 9, 11, 5, 0, time.UTC),
			401: time.Date(2026, 11, 21, 9, 13, 25, 0, time.UTC), 502: time.Date(2026, 11, 21, 9, 18, 36, 0, time.UTC),
			704: time.Date(2026, 11, 21, 10, 5, 9, 0, time.UTC),
		},
		answers:   map[int]func(*replayer, string){503: deviceAnswers},
		port:      18831,
		shapeOnly: map[int]string{110: ties, 111: ties},
		before: map[int]func(*replayer){
			1:   in(firstSetup),
			406: online("1/agent/R58M000000Q"),
			413: func(r *replayer) { r.s.HandleMQTT("1/agent/R58M000000Q/Status/Online", []byte(`{"online":false}`)) },
			506: online("1/agent/R58M000002Q"),
			101: in(firstPeople),
			227: in(func(r *replayer, tx *Tx) { r.drop(tx, 1, 2) }), // they shared a computer, and unenrolled
			411: in(func(r *replayer, tx *Tx) { r.drop(tx, 4) }),
			412: in(firstInventory),
			507: in(func(r *replayer, tx *Tx) { r.drop(tx, 5) }),
			704: in(func(r *replayer, tx *Tx) {
				r.person(tx, 96, "rearm@acme.test", 1)
				r.person(tx, 99, "rearm2@acme.test", 1)
			}),
			752: in(func(r *replayer, tx *Tx) {
				r.make(tx, "PluginFlyvemdmInvitation", 53, 752)
				tx.Row("PluginFlyvemdmInvitation", 53).Set("status", "pending")
				tx.Row("PluginFlyvemdmInvitation", 53).Set("expiration_date", "2026-12-01 00:00:00")
			}),
			301: in(func(r *replayer, tx *Tx) {
				tx.SetConfig("fusioninventory", "entity_rule", 1)
				for n := range 40 {
					fleet := 2
					if n == 0 {
						fleet = 1 // enrolled before there was a rule for entities
					}
					r.enrolled(tx, phone{agent: 3 + n, computer: 2 + n, user: 16 + 2*n, entity: 1, fleet: fleet, name: fmt.Sprintf("user%02d@acme.test", n), serial: fmt.Sprintf("R58M%06dQ", n)})
				}
			}),
		},
		unmatched: map[int]string{},
	}
}

// firstSetup is what was done before the first record: the entities, and alice, who was invited.
func firstSetup(r *replayer, tx *Tx) {
	for _, e := range []struct{ name, parent string }{{"ACME", "0"}, {"Globex", "0"}, {"ACME Paris", "1"}, {"ACME Lyon", "1"}} {
		if _, err := tx.Add("Entity", Input{"name": e.name, "entities_id": e.parent}); err != nil {
			r.t.Fatal(err)
		}
	}
	tx.s.sons = map[int][]int{}
	r.person(tx, 7, "alice@acme.test", 1)
	r.invited(tx, 7, 1)
	r.make(tx, "PluginFlyvemdmInvitation", 1, 1)
	r.make(tx, "Document_Item", 1, 1)
}

// firstInventory is what two phones of the first run sent of themselves when they enrolled.
func firstInventory(_ *replayer, tx *Tx) {
	tx.Insert("ComputerModel", map[string]any{"id": 3, "name": "SM-G920"})
	tx.Insert("Manufacturer", map[string]any{"id": 2, "name": "Samsung"})
	tx.Insert("Software", map[string]any{"id": 1, "name": "Maps"})
	tx.Insert("SoftwareVersion", map[string]any{"id": 1, "softwares_id": 1, "name": "9.1"})
	for id := 3; id <= 4; id++ {
		tx.Insert("Item_DeviceFirmware", map[string]any{"id": id, "items_id": id, "itemtype": "Computer", "devicefirmwares_id": 1, "is_dynamic": 1})
		tx.Insert("Item_DeviceMemory", map[string]any{"id": id, "items_id": id, "itemtype": "Computer", "devicememories_id": 1, "size": 4000, "is_dynamic": 1})
		tx.Insert("Computer_SoftwareVersion", map[string]any{"computers_id": id, "softwareversions_id": 1, "is_dynamic": 1})
		computer := tx.Row("Computer", id)
		computer.Set("computermodels_id", 3)
		computer.Set("manufacturers_id", 2)
	}
}

// firstPeople is what was done between the first two parts of the run: two more people were invited, and one enrolled.
func firstPeople(r *replayer, tx *Tx) {
	r.person(tx, 11, "carol@acme.test", 1)
	r.person(tx, 12, "dave@acme.test", 1)
	for id := 2; id <= 7; id++ {
		r.make(tx, "PluginFlyvemdmInvitation", id, 101)
	}
	for id := 1; id <= 15; id++ {
		r.make(tx, "PluginFlyvemdmInvitationlog", id, 101)
	}
	tx.Insert("User", map[string]any{"id": 13, "name": "flyvemdm-0ab84d36-c89c-4bd2-8b9d-73adaaeebc2d"})
	tx.Insert("Computer", map[string]any{
		"id": 1, "name": "Pixel 4", "serial": "SN-ACME-0002", "uuid": "49D53434-0200-9D08-9000-01DEA9028056", "users_id": 12,
	})
	r.make(tx, "PluginFlyvemdmAgent", 1, 101)
}

func fullRun() *script {
	acme, globex, root := "admin.acme as Super-Admin", "admin.globex as Super-Admin", "glpi"
	return &script{
		start: time.Date(2026, 11, 21, 9, 45, 0, 0, time.UTC),
		signedIn: map[string]string{
			"90bb39u5g3nbsi6ihn1qv0hrq2": root, "0rumfqhs02maq77elvuj48fqno": root, "ou02o821k07ic9u05fclbdgppb": root,
			"q32qcn9jdsgfqnr9f7uqaarcq1": root, "1evkafes6s9o64t4cr2as2jvoo": root, "enfppj43nq2ktsgiphncsh7vro": root,
			"modj4dm14uilcnvjkqn726r1qs": root,
			"rkcisfd1vntmgdhi665b5lplo4": acme, "hm8ncepsqod0cnofs00vguruqf": acme, "fl9cqvfq3vv30gfanmeuj0hqe8": acme,
			"63b7f5os18duhmsepqgf940a4i": acme, "3jdilqcu7t0vkfnubm8t3m7hur": acme, "qo8pp0rjdilkfj2f9m1hfpja1l": acme,
			"dars0fi0m48d78unjh012lh97b": acme, "74apobf1190l8fdg1taq0k955s": acme, "jsu1shcltlpl9gou38r24bagg6": acme,
			"q18h4lle4bmrl9j4q68tknh9ah": acme, "mkcrk2p9k2j8qr9nmtuqahj2if": acme, "mnep8i0conrc23qus5l51o8ooi": acme,
			"9d275gng95si3i8r47bro5b6sr": acme, "j9a0ioko0fdc6r561fcfjc3lac": acme, "fv9ol95op7r0bna5vl1piefjvc": acme,
			"57860sa9ahtap0usgp4jbmanfb": "admin.acme as Flyve MDM guest users",
			"4g0p9kq90nfbbanl2k1298nl0b": globex, "the8eh0u9tai6gbd4nrkhq6iuv": globex, "atlnm1bil69kav2ar87spmpitd": acme,
			"95hn2eegt7835v57svk04p9hai": globex, "dk3if9rm9vjb19ioobclfrjjku": globex,
			"2vda3kvd3udhfn38htaklp2ot6": "alice@acme.test as Flyve MDM guest users",
			"7445b3111d46ijvk45a8tcct57": "alice@acme.test as Flyve MDM guest users",
			"k67co87v2r5j1e9qq0dil06vhd": "sally.self", "jkg6eeu5stiiidd7kki469up14": "dora",
		},
		tokens: map[string]string{
			"riV4ksEdF6a97vqMOGATnSyTFnKPocuFuwhoXgbk": "bob@acme.test", "EhrezYEhEnFKyWc9S8a51fsjf7bkVU8O70HZdP8E": "twice@acme.test",
		},
		port: 18832,
		shapeOnly: map[int]string{
			460: ties,
			480: "some of the enrolments that failed are not recorded",
			587: "the upload is not recorded",
		},
		answers: map[int]func(*replayer, string){262: deviceAnswers, 264: deviceAnswers, 266: deviceAnswers},
		before: map[int]func(*replayer){
			1: in(func(r *replayer, tx *Tx) { // the recorder's own setting up
				if err := tx.Update(tx.Row("User", 2), Input{"language": nil}); err != nil {
					r.t.Fatal(err)
				}
			}),
			38: in(func(r *replayer, tx *Tx) {
				r.openSession(tx, "q32qcn9jdsgfqnr9f7uqaarcq1", root) // before the entity: it does not see it
				r.add(tx, "Entity", 1, Input{"name": "ACME", "entities_id": "0"})
			}),
			50: in(func(r *replayer, tx *Tx) {
				r.add(tx, "User", 10, Input{"name": "sally.self", "password": "sally.pw", "password2": "sally.pw", "entities_id": "1", "_profiles_id": "1", "_entities_id": "1", "_is_recursive": "1"})
			}),
			78: in(func(r *replayer, tx *Tx) {
				r.add(tx, "User", 11, Input{"name": "tech.lyon", "password": "tech.lyon.pw", "password2": "tech.lyon.pw", "_profiles_id": "6", "_entities_id": "4", "_is_recursive": "0"})
			}),
			178: in(func(_ *replayer, tx *Tx) { tx.SetConfig("flyvemdm", "debug_enrolment", 1) }),
			202: in(func(_ *replayer, tx *Tx) {
				tx.Row("PluginFlyvemdmInvitation", 3).Set("expiration_date", "2020-01-01 00:00:00")
			}),
			203: in(func(_ *replayer, tx *Tx) {
				tx.Row("PluginFlyvemdmInvitation", 3).Set("expiration_date", "2026-12-01 00:00:00")
			}),
			206: func(r *replayer) {
				r.enrol("7445b3111d46ijvk45a8tcct57", "alice@acme.test", "SER-ALICE-1", "Alice", "Martin")
			},
			102: in(func(_ *replayer, tx *Tx) {
				tx.Insert("PluginFlyvemdmFleet", map[string]any{"id": 8, "name": "ACME", "entities_id": 1})
			}),
			122: in(func(_ *replayer, tx *Tx) {
				tx.Insert("PluginFlyvemdmFleet", map[string]any{"id": 19, "name": "ACME too", "entities_id": 1})
			}),
			138: in(func(r *replayer, tx *Tx) { // somebody whose address is none was invited
				r.make(tx, "PluginFlyvemdmInvitation", 2, 138)
				r.make(tx, "Document", 2, 138)
				r.invited(tx, 13, 3)
			}),
			154: in(func(_ *replayer, tx *Tx) { tx.Row("User", 7).Set("profiles_id", 4) }),
			230: func(r *replayer) {
				in(func(_ *replayer, tx *Tx) { tx.SetConfig("fusioninventory", "entity_rule", 1) })(r)
				r.enrol("l2ij082mlo0npepghmsrtvolic", "carl@acme.test", "SER-CARL-1", "Carl", "Test")
			},
			242: in(func(r *replayer, tx *Tx) {
				r.add(tx, "PluginFlyvemdmTask", 3, Input{
					"itemtype_applied": "PluginFlyvemdmFleet", "items_id_applied": "6", "plugin_flyvemdm_policies_id": "11", "value": "-3",
				})
			}),
			260: online("3/agent/SER-CARL-1"),
			274: in(func(_ *replayer, tx *Tx) { tx.Row("PluginFlyvemdmAgent", 4).Set("lock", 1) }),
			278: in(func(_ *replayer, tx *Tx) { tx.Row("PluginFlyvemdmAgent", 4).Set("wipe", 0) }),
			304: in(func(_ *replayer, tx *Tx) { // what the device reported of its tasks
				for id, status := range map[int]string{2: "failed", 6: "received", 8: "done"} {
					tx.Row("PluginFlyvemdmTaskstatus", id).Set("status", status)
				}
			}),
			264: in(func(r *replayer, tx *Tx) {
				r.make(tx, "PluginFlyvemdmGeolocation", 1, 264)
				r.make(tx, "PluginFlyvemdmGeolocation", 2, 264)
			}),
			266: in(func(_ *replayer, tx *Tx) {
				tx.Insert("PluginFlyvemdmGeolocation", map[string]any{"computers_id": 3, "latitude": "na", "longitude": "na", "date": tx.Date()})
			}),
			282: in(func(r *replayer, tx *Tx) { r.drop(tx, 8) }),
			286: in(func(r *replayer, tx *Tx) { r.drop(tx, 12) }),
			322: in(func(_ *replayer, tx *Tx) {
				tx.Insert("PluginFlyvemdmFleet", map[string]any{"id": 20, "name": "tmp fleet", "entities_id": 3})
			}),
			326: in(func(r *replayer, tx *Tx) {
				if err := tx.Delete(tx.Row("PluginFlyvemdmFleet", 20)); err != nil {
					r.t.Error(err)
				}
				r.forget("PluginFlyvemdmTask", 8)
			}),
			334: in(func(_ *replayer, tx *Tx) {
				tx.Row("PluginFlyvemdmAgent", 1).Set("plugin_flyvemdm_fleets_id", 6)
				for id := 24; id <= 26; id++ { // the recorder put back what it had put at risk
					for column, v := range map[string]any{"wipe": 0, "lock": 0, "enroll_status": "enrolled"} {
						tx.Row("PluginFlyvemdmAgent", id).Set(column, v)
					}
				}
			}),
			368: in(func(_ *replayer, tx *Tx) { tx.Row("PluginFlyvemdmTaskstatus", 4).Set("status", "done") }),
			360: in(func(_ *replayer, tx *Tx) { // the enrolments that failed unrecorded
				for range 10 {
					tx.Insert("PluginFlyvemdmInvitationlog", map[string]any{"plugin_flyvemdm_invitations_id": 3, "date_creation": tx.Date(), "event": "Notification settings are invalid"})
				}
			}),
			551: in(func(_ *replayer, tx *Tx) { tx.UserToken(tx.Row("User", 150)) }),
			611: in(func(_ *replayer, tx *Tx) { tx.Row("PluginFlyvemdmInvitation", 6).Set("status", "pending") }),
			614: in(func(r *replayer, tx *Tx) {
				if err := tx.Update(tx.Row("PluginFlyvemdmInvitation", 4), Input{"status": "bogus"}); err != nil {
					r.t.Error(err)
				}
			}),
			618: in(func(r *replayer, tx *Tx) {
				tx.Remove(tx.Row("PluginFlyvemdmTask", 10))
				r.forget("PluginFlyvemdmTask", 10)
			}),
			232: in(fullFleet),
		},
		unmatched: map[int]string{
			380: "the log of MQTT messages lacks those of the enrolments that were kept back, and their echoes",
			410: "the history is not kept, and applications have other ids for want of the inventories that were kept back",
			467: "rawdata shows GLPI's inner state, SQL included",
			479: "the log of MQTT messages lacks those of the enrolments that were kept back, and their echoes",
		},
	}
}

// fullFleet is the sixty phones of ACME and five of Globex that enrolled in one go.
func fullFleet(r *replayer, tx *Tx) {
	for n := 1; n <= 60; n++ {
		p := phone{agent: 3 + n, computer: 3 + n, user: 18 + 2*n, entity: 3, fleet: 4, name: fmt.Sprintf("user%02d@acme.test", n), serial: fmt.Sprintf("ACME%04d", n), invitation: 6 + n}
		if n%2 == 0 {
			p.entity, p.fleet = 4, 5
		}
		r.enrolled(tx, p)
		r.invited(tx, p.user, p.entity)
	}
	tx.table("Profile_User").next = 206
	for n := 1; n <= 5; n++ {
		r.enrolled(tx, phone{agent: 63 + n, computer: 63 + n, user: 138 + 2*n, entity: 2, fleet: 3, name: fmt.Sprintf("user%02d@globex.test", n), serial: fmt.Sprintf("GLOB%04d", n), invitation: 66 + n})
	}
}

// phone is an enrolment that was kept back.
type phone struct {
	agent, computer, user, entity, fleet, invitation int
	name, serial                                     string
}

// enrolled makes what an enrolment makes: the person, the machine's account, the computer, the agent and what was sent.
func (r *replayer) enrolled(tx *Tx, p phone) {
	r.person(tx, p.user, p.name, p.entity)
	machine := p.user + 1
	agentProfile := phpInt(tx.Config("flyvemdm", "agent_profiles_id"))
	tx.Insert("User", map[string]any{
		"id": machine, "name": "flyvemdm-" + p.name, "realname": p.serial, "profiles_id": agentProfile, "highcontrast_css": 0,
		"api_token": tx.Token(40), "api_token_date": tx.Date(),
		"date_mod": tx.Date(), "date_creation": tx.Date(),
	})
	tx.Insert("Profile_User", map[string]any{"users_id": machine, "profiles_id": agentProfile, "entities_id": p.entity, "is_recursive": 0})
	if r.make(tx, "Computer", p.computer, 0); tx.Row("Computer", p.computer) == nil {
		tx.Insert("Computer", map[string]any{
			"id": p.computer, "name": p.serial, "serial": p.serial, "entities_id": p.entity, "users_id": p.user, "is_dynamic": 1,
			"date_mod": tx.Date(), "date_creation": tx.Date(), "computermodels_id": 1, "manufacturers_id": 1,
		})
	}
	tx.Insert("PluginFlyvemdmAgent", map[string]any{
		"id": p.agent, "name": p.name, "version": "2.1.0", "computers_id": p.computer, "users_id": machine, "entities_id": p.entity,
		"plugin_flyvemdm_fleets_id": p.fleet, "mdm_type": "android", "notification_type": "mqtt",
	})
	if p.invitation == 0 {
		return
	}
	tx.Insert("PluginFlyvemdmInvitation", map[string]any{
		"id": p.invitation, "name": "Invitation", "users_id": p.user, "entities_id": p.entity, "status": "done",
		"expiration_date": "0000-00-00 00:00:00", "invitation_token": tx.Hex(64),
	})
	if r.make(tx, "Document", p.invitation, 0); tx.Row("Document", p.invitation) == nil {
		tx.Insert("Document", map[string]any{"id": p.invitation, "name": "Enrollment QR code", "entities_id": p.entity, "mime": "image/png"})
	}
	if r.make(tx, "QueuedNotification", p.invitation-1, 0); tx.Row("QueuedNotification", p.invitation-1) == nil {
		tx.Insert("QueuedNotification", map[string]any{
			"id": p.invitation - 1, "itemtype": "PluginFlyvemdmInvitation", "items_id": p.invitation, "entities_id": p.entity,
		})
	}
}

// person makes a person with an address who was invited.
func (r *replayer) person(tx *Tx, id int, name string, entity int) {
	if r.make(tx, "User", id, 0); tx.Row("User", id) == nil {
		tx.Insert("User", map[string]any{
			"id": id, "name": name, "realname": "Test", "entities_id": entity, "highcontrast_css": 0, "date_mod": tx.Date(),
			"date_creation": tx.Date(), "api_token": tx.Token(40), "api_token_date": tx.Date(),
		})
	}
	tx.Insert("UserEmail", map[string]any{"users_id": id, "email": name, "is_default": 1})
	r.invited(tx, id, entity)
}

// invited grants the guest profile, which an invitation does even where the person has it already.
func (r *replayer) invited(tx *Tx, id, entity int) {
	tx.Insert("Profile_User", map[string]any{"users_id": id, "profiles_id": tx.guestProfile(), "entities_id": entity, "is_recursive": 0})
}

// drop is the unenrolling or deleting of agents.
func (r *replayer) drop(tx *Tx, ids ...int) {
	for _, id := range ids {
		if agent := tx.Row("PluginFlyvemdmAgent", id); agent != nil {
			if err := tx.Delete(agent); err != nil {
				r.t.Error(err)
			}
		}
		r.forget("PluginFlyvemdmAgent", id)
	}
	tx.takeMessage()
}

// online is a device that says it is there.
func online(topic string) func(*replayer) {
	return func(r *replayer) { r.s.HandleMQTT(topic+"/Status/Online", []byte(`{"online":"true"}`)) }
}

// deviceAnswers is a device that answers a second after it was asked.
func deviceAnswers(r *replayer, topic string) {
	at, command, isCommand := strings.Cut(topic, "/Command/")
	if !isCommand {
		return
	}
	r.setClock(r.now().Add(time.Second))
	switch command {
	case "Ping":
		r.s.HandleMQTT(at+"/Status/Ping", []byte("!"))
	case "Geolocate":
		r.s.HandleMQTT(at+"/Status/Geolocation", []byte(fmt.Sprintf(`{"latitude":"45.76","longitude":"4.83","datetime":%d}`, r.now().Unix())))
	case "Inventory":
		r.s.HandleMQTT(at+"/Status/Inventory", []byte(recordedInventory("SER-CARL-1")))
	}
}

// recordedInventory is what the recorder's phones sent.
func recordedInventory(serial string) string {
	return `<?xml version='1.0' encoding='utf-8' standalone='yes'?>
<REQUEST><QUERY>INVENTORY</QUERY><VERSIONCLIENT>MDM Agent/2.1.0</VERSIONCLIENT><DEVICEID>` + serial + `_02:00:00:00:00:00</DEVICEID><CONTENT>
<HARDWARE><NAME>` + serial + `</NAME><OSNAME>Android</OSNAME><OSVERSION>8.0</OSVERSION><UUID>uuid-` + serial + `</UUID><MEMORY>1961</MEMORY></HARDWARE>
<BIOS><BMANUFACTURER>bq</BMANUFACTURER><MMANUFACTURER>bq</MMANUFACTURER><SMODEL>Aquaris M10 FHD</SMODEL><SSN>` + serial + `</SSN></BIOS>
<OPERATINGSYSTEM><NAME>Android</NAME><VERSION>8.0</VERSION><FULL_NAME>Android 8.0</FULL_NAME></OPERATINGSYSTEM>
<NETWORKS><TYPE>WIFI</TYPE><MACADDR>02:00:00:00:00:00</MACADDR><SPEED>65</SPEED><STATUS>Up</STATUS></NETWORKS>
<SOFTWARES><NAME>Maps</NAME><VERSION>9.1</VERSION><PUBLISHER>Google</PUBLISHER></SOFTWARES>
</CONTENT></REQUEST>`
}

// enrol is an enrolment that was kept back, of a person whose last invitation is pending.
func (r *replayer) enrol(session, email, serial, first, last string) {
	tx := r.s.begin(nil)
	if r.s.sessions[session] == nil {
		r.openSession(tx, session, r.steps.signedIn[session])
	}
	var token string
	for _, invitation := range tx.Find("PluginFlyvemdmInvitation", "users_id", tx.First("User", "name", email).ID()) {
		if token == "" && invitation.Str("status") == "pending" {
			token = invitation.Str("invitation_token")
		}
	}
	tx.end()
	body := fmt.Sprintf(`{"input":{"_email":%q,"_invitation_token":%q,"_serial":%q,"_uuid":"u","csr":"","firstname":%q,"lastname":%q,"version":"2.1.0",`+
		`"type":"android","inventory":%q,"has_system_permission":0,"notification_type":"mqtt","notification_token":""}}`,
		email, token, serial, first, last, base64.StdEncoding.EncodeToString([]byte(recordedInventory(serial))))
	req := httptest.NewRequest("POST", "/PluginFlyvemdmAgent", strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Session-Token", session)
	w := httptest.NewRecorder()
	r.s.ServeHTTP(w, req)
	if w.Code != http.StatusCreated {
		r.t.Errorf("enrolling %s: %d %s", email, w.Code, w.Body)
	}
}

// add is a step that added a row.
func (r *replayer) add(tx *Tx, itemtype string, id int, in Input) {
	if id > 0 {
		tx.table(itemtype).next = id
	}
	if _, err := tx.Add(itemtype, in); err != nil {
		r.t.Fatal(err)
	}
}
