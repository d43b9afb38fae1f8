// Package glpi simulates the REST API of GLPI 9.3 with the Flyve MDM plugin, as recorded transcripts show it, traps included.
//
// It exists so that the whole product can be shown, tested and loaded without a PHP server. It is written from the
// backend's contract and shares no code with the client that talks to it, so that each can prove the other wrong.
// It is not a GLPI: it knows the itemtypes that the product touches, keeps them in memory and forgets them when it ends.
//
// core.go holds what an itemtype is made of. A call goes through server.go and request.go to session*.go (signing in,
// profiles, entities), item.go, list.go, search.go (with criterion.go and options.go) or write.go and upload.go; change.go
// runs a class's hooks, rights.go says who may, and tx.go and store.go keep the rows. core_*.go are GLPI's own itemtypes,
// flyve_*.go those of the plugin, demo_*.go those of its companion for sign-ups, and seed*.go two companies to show. Tests
// read the mails of mail.go, and break the API or change its version with access.go.
package glpi

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// Options says how the simulated server is set up. The zero value is a server in UTC with the broker away.
type Options struct {
	Broker         Broker           // where the plugin publishes and keeps MQTT accounts; nil: the broker is away, publishes are lost and the REST call still answers 200
	Now            func() time.Time // the server's clock; nil: time.Now
	Location       *time.Location   // the server's time zone; nil: UTC. All dates in the store are local "YYYY-MM-DD HH:MM:SS"
	AppToken       string           // the API client's token; "": none is needed, as with the shipped localhost client
	BaseURL        string           // GLPI's url_base, without a trailing slash; "": taken from each request's Host
	BrokerHost     string           // what enrolled devices are told; "": 127.0.0.1
	BrokerPort     int              // 0: 1883
	BrokerTLS      bool             // whether devices are told to use TLS
	PollInterval   time.Duration    // between two looks for a device's answer (ping, geolocate, inventory); 0: 200 ms
	PollTimeout    time.Duration    // how long such a call waits in all; 0: 10 s
	Daemon         bool             // the plugin's MQTT daemon runs (in the real one it does not): HandleMQTT is applied
	DebugEnrolment bool             // true failure texts at enrolment instead of "Enrollment failed"
	ParseDelay     time.Duration    // after which the plugin's cron looks into an uploaded application; 0: only RunCron does
	NoFlyve        bool             // a GLPI without the plugin: its itemtypes and rights are unknown. SeedDemo needs the plugin
	DemoPlugin     bool             // the plugin flyvemdmdemo is there too, with which people make accounts for themselves
	Version        string           // of GLPI, which changes the shape of answers; "": 9.3.1
	Fault          Fault            // what is wrong with the API as a whole; SetFault changes it later
	PostMaxSize    int64            // PHP's post_max_size in bytes; 0: 64 MB
	Seed           uint64           // of every token and password; 0: seed 1. The simulator's secrets are reproducible on purpose
}

// Fault is a misconfiguration of GLPI's API, which every call then meets.
type Fault int

// The faults of the API.
const (
	NoFault         Fault = iota
	APIDisabled           // the API is switched off
	AddressRefused        // no API client is configured for the caller's address
	NoPasswordLogin       // signing in by login and password is switched off
)

// Broker is the MQTT broker as the plugin uses it. It is called without any lock held, in the order of the effects.
type Broker interface {
	Publish(topic string, payload []byte, retain bool) error // at QoS 0
	SetAccount(user, password string, acl []ACL)             // creates or replaces
	RemoveAccount(user string)
}

// ACL lets an MQTT account read (1), write (2) or do both (3) on a topic, which may hold wildcards.
type ACL struct {
	Topic  string
	Access int
}

// Kind is the SQL type of a column, as far as it shows: what values it refuses and how it sorts.
type Kind int

// The kinds of columns.
const (
	Text     Kind = iota // varchar and text
	Int                  // int, tinyint
	Float                // float, decimal
	Datetime             // "YYYY-MM-DD HH:MM:SS"
	Date                 // "YYYY-MM-DD"
	Enum                 // one of a fixed set; anything else is stored as ""
)

// Column is one column of an itemtype's table. columns() reads a list of them.
type Column struct {
	Name    string
	Kind    Kind
	Default Value    // of a row that was inserted without it
	Options []string // of an Enum
}

// EntityRule says how rows belong to entities.
type EntityRule int

// The ways in which rows belong to entities.
const (
	Global    EntityRule = iota // to none: everybody with the right sees them
	Local                       // by entities_id
	Recursive                   // by entities_id, and to its sub-entities too where is_recursive is 1
)

// Rights are bits, as GLPI stores them for each right name of a profile.
type Rights int

// The bits of GLPI's standard rights.
const (
	Read       Rights = 1
	Update     Rights = 2
	Create     Rights = 4
	Delete     Rights = 8
	Purge      Rights = 16
	ReadNote   Rights = 32
	UpdateNote Rights = 64
	Standard   Rights = 31
)

// Itemtype declares a class of GLPI: its table, who may see it, what it does beside storing values.
type Itemtype struct {
	Name      string     // as in URLs: "PluginFlyvemdmFleet"
	Title     string     // its translated singular name, where messages and search options use it; "": Name
	Table     string     // "glpi_plugin_flyvemdm_fleets"; its foreign key, "plugin_flyvemdm_fleets_id", follows from it
	Right     string     // name of its right, "flyvemdm:fleet"; a name that no profile has denies everybody; "": no right needed
	Entity    EntityRule // how the rows belong to entities
	NameField string     // column shown by expand_dropdowns and in messages; "": name
	Columns   []Column   // in the order of the real table
	Hidden    []string   // columns never disclosed
	Options   []SearchOption
	Group     string                        // the label over the options in listSearchOptions; "": Characteristics
	Display   []int                         // search options shown without forcedisplay, beside 1 (and 80)
	Children  []string                      // itemtypes that hateoas links name beside the foreign keys
	Parent    string                        // itemtype whose row, by its foreign key here, decides who may do what (UserEmail, by users_id); "": the row itself
	Seeded    bool                          // its rows of a seeded computer are made when somebody first looks; see Tx.furnish
	Silent    bool                          // no "Item successfully added" message
	Label     func(tx *Tx, row *Row) string // what that message calls a row, as HTML; nil: its name
	Hooks                                   // what the class itself does
	Also      []Hooks                       // what plugins add to it, run after the class's own
}

// Hooks is what a class does around reading and writing. Every one may be nil. They run with the store locked; a refusal
// is an error made by Refuse, whose text becomes the message of the answer.
type Hooks struct {
	PrepareAdd    func(tx *Tx, in Input) error                       // checks and completes the input, which it may change
	PostAdd       func(tx *Tx, row *Row, in Input) error             // after the row exists; an error leaves it there
	PrepareUpdate func(tx *Tx, row *Row, in Input) error             // row still holds the old values
	PostUpdate    func(tx *Tx, row *Row, in Input, old Change) error // old: former values of the columns that changed
	PreDelete     func(tx *Tx, row *Row) error                       // before a purge
	PostDelete    func(tx *Tx, row *Row) error                       // after a purge; the row still holds its values
	PostGet       func(tx *Tx, row *Row, obj *Object)                // adds virtual fields; item GET and getMultipleItems only
	Missing       func(tx *Tx, row *Row) bool                        // true: loading fails, as if there were no such row (404)
	CanType       func(tx *Tx, right Rights) bool                    // replaces the check of Right
	CanItem       func(tx *Tx, row *Row, right Rights) bool          // replaces right and entity checks of one row; see defaultCan
	ListFilter    func(tx *Tx, row *Row) bool                        // replaces the entity filter of lists and searches
	Download      func(tx *Tx, row *Row) (Download, error)           // the bytes behind an item
}

// Change holds former values by column name.
type Change map[string]Value

// Download is a file that an item GET with `Accept: application/octet-stream` answers, without asking for rights: classes
// that care refuse by an error.
type Download struct {
	Name     string
	Mime     string
	Data     []byte
	Modified string // as in date_mod
	// Serve answers by itself, headers and Range included; nil: written whole by the engine. It runs after the store is
	// unlocked.
	Serve func(w http.ResponseWriter, r *http.Request)
}

// Upload is one file part of a multipart POST. Hooks find them with Tx.Uploads.
type Upload struct {
	Part, Name string
	Data       []byte
}

// SearchOption is one option of the search engine and of listSearchOptions. Those of a type that has a file under
// data/options are read from there by loadOptions.
type SearchOption struct {
	Heading   string // key of a heading between options, of which only Shown counts; "": an option
	ID        int
	Name      string
	Table     string
	Field     string
	DataType  string // "": none
	NoSearch  bool
	NoDisplay bool
	UID       string
	Types     []string                       // available_searchtypes
	Shown     json.RawMessage                // what listSearchOptions shows of it; nil: made from the others
	Raw       any                            // what it shows with raw; nil: made from the others
	LinkField string                         // the row's foreign key to Table; "": the one named after Table
	Values    func(tx *Tx, row *Row) []Value // replaces the join for values that neither the row nor a direct foreign key holds
}

// Input is the `input` object of a write. As PHP gets them: numbers and true are strings ("1"), false is "", null is nil,
// objects and arrays are map[string]any and []any.
type Input map[string]any

// Has tells whether a key is there and not null (isset).
func (in Input) Has(key string) bool { return in[key] != nil }

// Given tells whether a key is there, null or not (array_key_exists).
func (in Input) Given(key string) bool { _, ok := in[key]; return ok }

// Str is a scalar as text; "" when absent, null, an object or an array.
func (in Input) Str(key string) string { s, _ := in[key].(string); return s }

// Int is a scalar as PHP's (int) cast reads it: leading digits, else 0.
func (in Input) Int(key string) int { return phpInt(in.Str(key)) }

// Set stores a scalar as PHP would hold it.
func (in Input) Set(key string, v any) { in[key] = scalar(v) }

// refusal is a write that was refused with a message.
type refusal struct{ message string }

func (r refusal) Error() string { return r.message }

// Refuse makes the error with which a hook refuses a write; its text is the message of the answer.
func Refuse(format string, args ...any) error { return refusal{fmt.Sprintf(format, args...)} }

// ErrFatal, returned by a hook, is a PHP fatal error: what was done stays done and the call answers an empty 500.
var ErrFatal = fmt.Errorf("php fatal error")

// source is the generator of a server's secrets.
func (o Options) source() *rand.Rand {
	seed := o.Seed
	if seed == 0 {
		seed = 1
	}
	return rand.New(rand.NewPCG(seed, seed))
}
