package glpi

import "time"

// script is what a replay needs beside the records: the steps that were kept back, and what is known not to match.
type script struct {
	start     time.Time
	signedIn  map[string]string       // session tokens whose signing in was kept back: the login, or "login as profile"
	before    map[int]func(*replayer) // steps to do before an exchange
	unmatched map[int]string          // exchanges that do not match in full, with the reason
}

func firstRun() *script {
	return &script{
		start: time.Date(2026, 11, 21, 9, 6, 0, 0, time.UTC),
		signedIn: map[string]string{
			"muhltiot602gsbd79qpveej26n": "",
			"7jedk8i6utc5odtn0of1fo2tsv": "admin@acme.test as Super-Admin",
			"ouktp8rbjue6eciphl5so5ip6h": "admin@acme.test as Super-Admin",
			"jh8u9c8n0eh1v2j8ju4314c61r": "admin@acme.test as Super-Admin",
			"s0nbih581aasd6nefgje0cq72e": "admin@acme.test as Super-Admin",
		},
		before:    map[int]func(*replayer){1: firstSetup},
		unmatched: map[int]string{},
	}
}

// firstSetup is what was done before the first record: the entities, and three people who were invited and enrolled.
func firstSetup(r *replayer) {
	tx := r.s.begin(nil)
	defer tx.end()
	for _, e := range []struct {
		name   string
		parent string
	}{{"ACME", "0"}, {"Globex", "0"}, {"ACME Paris", "1"}, {"ACME Lyon", "1"}} {
		if _, err := tx.Add("Entity", Input{"name": e.name, "entities_id": e.parent}); err != nil {
			r.t.Fatal(err)
		}
	}
	tx.s.sons = map[int][]int{}
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
			"4g0p9kq90nfbbanl2k1298nl0b": globex, "the8eh0u9tai6gbd4nrkhq6iuv": globex, "atlnm1bil69kav2ar87spmpitd": globex,
			"95hn2eegt7835v57svk04p9hai": globex, "dk3if9rm9vjb19ioobclfrjjku": globex,
			"2vda3kvd3udhfn38htaklp2ot6": "alice@acme.test as Flyve MDM guest users",
			"7445b3111d46ijvk45a8tcct57": "alice@acme.test as Flyve MDM guest users",
			"k67co87v2r5j1e9qq0dil06vhd": "sally.self", "jkg6eeu5stiiidd7kki469up14": "dora",
		},
		before: map[int]func(*replayer){
			1: func(r *replayer) { // the benchmark's own setting up
				tx := r.s.begin(nil)
				defer tx.end()
				if err := tx.Update(tx.Row("User", 2), Input{"language": nil}); err != nil {
					r.t.Fatal(err)
				}
			},
			38: func(r *replayer) {
				r.open("q32qcn9jdsgfqnr9f7uqaarcq1") // before the entity: it does not see it
				addEntity("ACME", 0)(r)
			},
			50: addUser(10, Input{"name": "sally.self", "password": "sally.pw", "password2": "sally.pw", "entities_id": "1", "_profiles_id": "1", "_entities_id": "1", "_is_recursive": "1"}),
			78: addUser(11, Input{"name": "tech.lyon", "password": "tech.lyon.pw", "password2": "tech.lyon.pw", "_profiles_id": "6", "_entities_id": "4", "_is_recursive": "0"}),
		},
		unmatched: map[int]string{},
	}
}

// addEntity is the adding of an entity that was kept back.
func addEntity(name string, parent int) func(*replayer) {
	return func(r *replayer) {
		tx := r.s.begin(nil)
		defer tx.end()
		in := Input{"name": name}
		in.Set("entities_id", parent)
		if _, err := tx.Add("Entity", in); err != nil {
			r.t.Fatal(err)
		}
	}
}

// addUser is the adding of a user that was kept back.
func addUser(id int, in Input) func(*replayer) {
	return func(r *replayer) {
		tx := r.s.begin(nil)
		defer tx.end()
		tx.table("User").next = id
		if _, err := tx.Add("User", in); err != nil {
			r.t.Fatal(err)
		}
	}
}

// open opens a session of the script now.
func (r *replayer) open(token string) {
	tx := r.s.begin(nil)
	defer tx.end()
	r.openSession(tx, token, r.steps.signedIn[token])
}
