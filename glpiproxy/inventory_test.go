package glpiproxy

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"
)

// recordedBody is the body of a recorded answer.
func recordedBody(t *testing.T, name string) json.RawMessage {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var exchange struct {
		Response struct{ Body json.RawMessage }
	}
	if err := json.Unmarshal(text, &exchange); err != nil {
		t.Fatal(err)
	}
	return exchange.Response.Body
}

func TestARecordedInventory(t *testing.T) {
	computer, err := parseRow(recordedBody(t, "full-410-Computer-get-with"))
	if err != nil {
		t.Fatal(err)
	}
	got := decodeInventory(computer, Devices|Disks|NetworkPorts|Software, time.UTC)
	want := Inventory{
		ComputerID: 3, Memory: []MemoryModule{{1961}}, Processors: []Processor{}, Batteries: []Battery{}, SimCards: []SimCard{}, Disks: []Disk{},
		NetworkPorts: []NetworkPort{{MAC: "02:00:00:00:00:00", Speed: 65}}, Software: []Installation{{10}, {3}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// GLPI 9.3 wraps each volume in an object of its own; parts come keyed by their ids or not; a refusal stands in the
// place of what the profile may not read; numbers come as texts from later versions.
func TestInventoriesOfEitherForm(t *testing.T) {
	disk := Disk{Name: "sda", MountPoint: "/", FileSystem: "ext4", Total: 100, Free: 20}
	for title, c := range map[string]struct {
		text string
		want Inventory
	}{
		"wrapped volumes":  {`{"id":1,"_disks":[{"name":{"name":"sda","mountpoint":"/","fsname":"ext4","totalsize":100,"freesize":20}}]}`, Inventory{Disks: []Disk{disk}}},
		"plain volumes":    {`{"id":1,"_disks":{"5":{"name":"sda","mountpoint":"/","fsname":"ext4","totalsize":"100","freesize":"20"}}}`, Inventory{Disks: []Disk{disk}}},
		"parts in a list":  {`{"id":1,"_devices":{"Item_DeviceMemory":[{"size":"512"},{"size":1024}]}}`, Inventory{Memory: []MemoryModule{{512}, {1024}}}},
		"refused ports":    {`{"id":1,"_networkports":{"error":401,"message":"no"}}`, Inventory{Denied: NetworkPorts}},
		"refused software": {`{"id":1,"_softwares":{"error":401,"message":"no"}}`, Inventory{Denied: Software}},
		"no part at all":   {`{"id":1,"_devices":[],"_disks":[],"_softwares":[],"_networkports":[]}`, Inventory{}},
		"an odd part":      {`{"id":1,"_disks":["?"]}`, Inventory{Disks: []Disk{{}}}},
		"two addresses": {
			`{"id":1,"_networkports":{"NetworkPortWifi":[{"name":"wlan0","NetworkName":{"IPAddress":[{"name":"10.0.0.2"},{"name":"fe80::1"},{"name":null}]}}]}}`,
			Inventory{NetworkPorts: []NetworkPort{{Name: "wlan0", Addresses: []string{"10.0.0.2", "fe80::1"}}}},
		},
	} {
		computer, err := parseRow(json.RawMessage(c.text))
		if err != nil {
			t.Fatal(err)
		}
		got := decodeInventory(computer, Devices|Disks|NetworkPorts|Software, time.UTC)
		c.want.ComputerID = 1
		same := slices.Equal(got.Memory, c.want.Memory) && slices.Equal(got.Disks, c.want.Disks) && slices.Equal(got.Software, c.want.Software) &&
			got.Denied == c.want.Denied && len(got.NetworkPorts) == len(c.want.NetworkPorts)
		if !same || len(got.NetworkPorts) > 0 && !reflect.DeepEqual(got.NetworkPorts, c.want.NetworkPorts) {
			t.Errorf("%s: got %+v, want %+v", title, got, c.want)
		}
	}
}

// Nothing of a SIM card that opens it has a place in what is decoded.
func TestSIMCardsKeepTheirSecrets(t *testing.T) {
	computer, err := parseRow(json.RawMessage(`{"id":1,"_devices":{"Item_DeviceSimcard":{"7":{"devicesimcards_id":2,"lines_id":3,
	  "serial":8933015525326496769,"pin":1234,"pin2":2345,"puk":34567890,"puk2":45678901,"msin":5678901234}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	got := decodeInventory(computer, Devices, time.UTC).SimCards
	if want := []SimCard{{ModelID: 2, LineID: 3, ICCID: "8933015525326496769"}}; !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// A part's model is read with names in the place of keys; the key 0, which has none, is no name.
func TestPartsAreReadWithNames(t *testing.T) {
	g := newGLPI(t)
	g.on("/getMultipleItems", says(200, `[{"id":4,"designation":"Battery","manufacturers_id":"Samsung","devicebatterytypes_id":0,"voltage":4350,"capacity":"3400"},
	  {"id":5,"designation":"Other","manufacturers_id":0,"devicebatterytypes_id":"Li-ion","voltage":null,"capacity":null}]`))
	s := g.client().Resume(alice)
	got, err := GetMany[DeviceBattery](t.Context(), s, []int{4, 5})
	if err != nil {
		t.Fatal(err)
	}
	want := []Result[DeviceBattery]{
		{Item: DeviceBattery{ID: 4, Name: "Battery", Maker: "Samsung", Voltage: 4350, Capacity: 3400}},
		{Item: DeviceBattery{ID: 5, Name: "Other", Type: "Li-ion"}},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, r := range g.requests("/getMultipleItems") {
		if r.URL.Query().Get("expand_dropdowns") != "true" {
			t.Errorf("asked %s", r.URL.RawQuery)
		}
	}
}
