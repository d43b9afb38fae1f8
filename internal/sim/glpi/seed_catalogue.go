package glpi

import "fmt"

// model is a kind of device that companies buy.
type model struct {
	maker, name, code, system string
	versions                  []string
	memory, storage           int // MB
	processor                 string
	cores, frequency          int // frequency in MHz
	battery                   int // mAh
	apple                     bool
}

var models = []model{
	{"Samsung", "Galaxy S10", "SM-G973F", "Android", []string{"10", "11", "12"}, 8000, 113_000, "Exynos 9820", 8, 2730, 3400, false},
	{"Samsung", "Galaxy Tab Active3", "SM-T575", "Android", []string{"11", "12"}, 4000, 51_000, "Exynos 9810", 8, 2700, 5050, false},
	{"Samsung", "Galaxy XCover 5", "SM-G525F", "Android", []string{"11", "12", "13"}, 4000, 51_000, "Exynos 850", 8, 2000, 3000, false},
	{"Google", "Pixel 4", "Pixel 4", "Android", []string{"10", "11", "12", "13"}, 6000, 51_000, "Snapdragon 855", 8, 2840, 2800, false},
	{"Google", "Pixel 6a", "Pixel 6a", "Android", []string{"12", "13"}, 6000, 109_000, "Google Tensor", 8, 2800, 4410, false},
	{"Fairphone", "Fairphone 4", "FP4", "Android", []string{"11", "12"}, 8000, 225_000, "Snapdragon 750G", 8, 2200, 3905, false},
	{"Xiaomi", "Redmi Note 9", "M2003J15SC", "Android", []string{"10", "11"}, 4000, 110_000, "Helio G85", 8, 2000, 5020, false},
	{"bq", "Aquaris M10 FHD", "Aquaris M10 FHD", "Android", []string{"5.1", "6.0"}, 1961, 11_800, "MT8163A", 4, 1500, 7280, false},
	{"Zebra", "TC52", "TC52", "Android", []string{"8.1", "10"}, 4000, 22_700, "Snapdragon 660", 8, 2200, 4300, false},
	{"Apple", "iPhone 12", "iPhone13,2", "iOS", []string{"15.7", "16.1"}, 4000, 119_000, "A14 Bionic", 6, 3100, 2815, true},
}

// kind is what GLPI calls such a computer.
func (m *model) kind() string {
	if m.name == "Galaxy Tab Active3" || m.name == "Aquaris M10 FHD" {
		return "Tablet"
	}
	return "Smartphone"
}

// preinstalled is how many of the applications every device has.
const preinstalled = 5

// applications that devices have: name, publisher and versions.
var applications = []struct {
	name, publisher string
	versions        []string
}{
	{"Maps", "Google", []string{"11.40", "11.57", "9.1"}}, {"Chrome", "Google", []string{"107.0.5304", "106.0.5249"}},
	{"Flyve MDM agent", "Teclib'", []string{"2.0.6", "2.1.2"}}, {"Files", "Google", []string{"1.0.478"}},
	{"Camera", "Google", []string{"8.7.250", "8.5"}}, {"Outlook", "Microsoft", []string{"4.2240", "4.2238"}},
	{"Teams", "Microsoft", []string{"1416", "1415"}}, {"Word", "Microsoft", []string{"16.0.15726"}}, {"Excel", "Microsoft", []string{"16.0.15726"}},
	{"OneDrive", "Microsoft", []string{"6.66", "6.65"}}, {"Authenticator", "Microsoft", []string{"6.2211"}}, {"Gmail", "Google", []string{"2022.11.13"}},
	{"Calendar", "Google", []string{"2022.45.0"}}, {"Meet", "Google", []string{"182.0"}}, {"Translate", "Google", []string{"6.46"}},
	{"Keep Notes", "Google", []string{"5.22"}}, {"Signal", "Signal Foundation", []string{"6.1.4", "6.0.6"}}, {"WhatsApp", "Meta", []string{"2.22.24", "2.22.23"}},
	{"Waze", "Google", []string{"4.90"}}, {"Adobe Acrobat Reader", "Adobe", []string{"22.11.0", "22.9.0"}}, {"Zoom", "Zoom", []string{"5.12.6"}},
	{"Slack", "Slack Technologies", []string{"22.11.10"}}, {"VLC", "VideoLAN", []string{"3.5.2", "3.5.1"}}, {"Firefox", "Mozilla", []string{"107.1", "106.1"}},
	{"DeepL", "DeepL SE", []string{"1.9"}}, {"DB Navigator", "Deutsche Bahn", []string{"22.04"}}, {"SNCF Connect", "SNCF", []string{"61.0"}},
	{"Météo-France", "Météo-France", []string{"6.4"}}, {"Barcode & QR scanner", "ZXing Team", []string{"4.7.8"}}, {"TeamViewer Host", "TeamViewer", []string{"15.35"}},
	{"VPN client", "OpenVPN", []string{"3.3.0"}}, {"Nextcloud", "Nextcloud", []string{"3.22.1"}}, {"Element", "Element", []string{"1.5.10"}},
	{"Time tracking", "Clockodo", []string{"8.2"}}, {"Salesforce", "Salesforce", []string{"240.030"}}, {"SAP Fiori Client", "SAP", []string{"1.12"}},
	{"DHL", "DHL", []string{"7.1"}}, {"Shazam", "Apple", []string{"12.47"}}, {"Spotify", "Spotify AB", []string{"8.7.82"}},
	{"2048", "Ketchapp", []string{"7"}}, // name and version are numbers to JSON
	{"Radio", "Radio France", []string{"5.0"}}, {"O'Reilly", "O'Reilly Media", []string{"5.4"}}, {"Duolingo", "Duolingo", []string{"5.80"}},
	{"Booking", "Booking.com", []string{"36.8"}},
}

// catalogue is the ids of what the parts of all computers share.
type catalogue struct {
	parts                                            map[*model]partModels
	memory, simcard, mobile, ext4, vfat, kernel, fix int
	applications                                     [][]int // of versions, by application
	operators                                        map[string][]operator
}

// partModels are the ids of the models of a device's parts.
type partModels struct{ firmware, processor, battery int }

// operator runs telephone lines.
type operator struct {
	id      int
	name    string
	prefix  string // of the country
	mobile  int    // first digit or digits of its mobile numbers
	network int    // its MNC
}

// stock fills the lists that computers' parts point at.
func (g *seeder) stock() {
	tx := g.tx
	kernel := g.word("OperatingSystemKernel", "Linux")
	for _, name := range []string{"In use", "In repair"} {
		g.states = append(g.states, g.must(tx.Add("State", Input{"name": name, "entities_id": "0", "is_recursive": "1"})).ID())
	}
	g.goods = &catalogue{
		parts: map[*model]partModels{}, operators: map[string][]operator{},
		memory: g.designation("DeviceMemory", "LPDDR4X", nil), simcard: g.designation("DeviceSimcard", "nano-SIM", nil),
		mobile: g.word("LineType", "Mobile"), ext4: g.word("Filesystem", "ext4"), vfat: g.word("Filesystem", "vfat"),
		kernel: tx.only("OperatingSystemKernelVersion", map[string]any{"name": "4.19.113", "operatingsystemkernels_id": kernel}).ID(),
		fix:    g.word("OperatingSystemServicePack", "2022-10-05"),
	}
	for i := range models {
		m := &models[i]
		g.goods.parts[m] = partModels{
			firmware:  g.designation("DeviceFirmware", fmt.Sprintf("%s bootloader", m.code), map[string]any{"version": m.versions[0]}),
			processor: g.designation("DeviceProcessor", m.processor, map[string]any{"frequence": m.frequency, "nbcores_default": m.cores}),
			battery: g.designation("DeviceBattery", fmt.Sprintf("%s battery", m.name), map[string]any{
				"voltage": 4350, "capacity": m.battery, "devicebatterytypes_id": g.word("DeviceBatteryType", "Li-ion"), "manufacturers_id": g.word("Manufacturer", m.maker),
			}),
		}
	}
	g.carriers()
	for _, app := range applications {
		g.goods.applications = append(g.goods.applications, g.software(app.name, app.publisher, app.versions))
	}
}

// designation adds a model of parts.
func (g *seeder) designation(itemtype, name string, values map[string]any) int {
	row := g.tx.Insert(itemtype, map[string]any{"designation": name, "is_recursive": 1, "date_creation": g.tx.Date(), "date_mod": g.tx.Date()})
	for column, v := range values {
		row.Set(column, v)
	}
	return row.ID()
}

func (g *seeder) carriers() {
	for _, o := range []struct {
		domain   string
		mcc      int
		operator operator
	}{
		{"acme.test", 208, operator{name: "Orange F", prefix: "+33", mobile: 6, network: 1}},
		{"acme.test", 208, operator{name: "Bouygues Telecom", prefix: "+33", mobile: 7, network: 20}},
		{"globex.test", 262, operator{name: "Telekom.de", prefix: "+49", mobile: 151, network: 1}},
		{"globex.test", 262, operator{name: "o2 - de", prefix: "+49", mobile: 176, network: 3}},
	} {
		row := g.tx.Insert("LineOperator", map[string]any{"name": o.operator.name, "mcc": o.mcc, "mnc": o.operator.network, "is_recursive": 1})
		o.operator.id = row.ID()
		g.goods.operators[o.domain] = append(g.goods.operators[o.domain], o.operator)
	}
}

// software adds an application; it returns the ids of its versions.
func (g *seeder) software(name, publisher string, versions []string) []int {
	software := g.tx.Insert("Software", map[string]any{
		"name": name, "is_recursive": 1, "manufacturers_id": g.word("Manufacturer", publisher), "date_creation": g.tx.Date(), "date_mod": g.tx.Date(),
	})
	var ids []int
	for _, version := range versions {
		ids = append(ids, g.tx.Insert("SoftwareVersion", map[string]any{
			"name": version, "softwares_id": software.ID(), "is_recursive": 1,
		}).ID())
	}
	return ids
}
