package bridge

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

var (
	noon    = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	someone = DeviceKey{EntityID: 1, Serial: "SN-1"}
)

const own = "1/agent/SN-1/"

func TestParseMessage(t *testing.T) {
	taken := time.Unix(1795252266, 0).UTC()
	for name, c := range map[string]struct {
		topic, payload string
		want           message
	}{
		"online":                  {"Status/Online", `{"online":true}`, message{kind: kindOnline, online: true}},
		"online as text":          {"Status/Online", `{"online":"true"}`, message{kind: kindOnline, online: true}},
		"online as a number":      {"Status/Online", `{"online":1}`, message{kind: kindOnline, online: true}},
		"online as a number text": {"Status/Online", `{"online":"1"}`, message{kind: kindOnline, online: true}},
		"last will of Android":    {"Status/Online", `{ "online": false }`, message{kind: kindOnline}},
		"last will of iOS":        {"Status/Online", `{ online: false }`, message{kind: kindOnline}},
		"the text false is false": {"Status/Online", `{"online":"false"}`, message{kind: kindOnline}},
		"zero is false":           {"Status/Online", `{"online":0}`, message{kind: kindOnline}},
		"the text zero is false":  {"Status/Online", `{"online":"0"}`, message{kind: kindOnline}},
		"pong":                    {"Status/Ping", "!", message{kind: kindPing}},
		"inventory":               {"Status/Inventory", "\n<?xml version='1.0'?><REQUEST/>", message{kind: kindInventory}},
		"unenrolled":              {"Status/Unenroll", `{"unenroll":"unenrolled"}`, message{kind: kindUnenroll}},
		"task": {"Status/Task/3", `{"status":"received"}`,
			message{kind: kindTask, task: TaskStatus{3, "received"}}},
		"position": {"Status/Geolocation", `{"latitude":48.85,"longitude":2.35,"datetime":"1795252266"}`,
			message{kind: kindGeolocation, position: Position{48.85, 2.35, taken, true}}},
		"position as text": {"Status/Geolocation", `{"latitude":"48.85","longitude":"-2.35","datetime":1795252266}`,
			message{kind: kindGeolocation, position: Position{48.85, -2.35, taken, true}}},
		"position with a date divided by 1000": {"Status/Geolocation", `{"latitude":1,"longitude":2,"datetime":1795252}`,
			message{kind: kindGeolocation, position: Position{1, 2, noon, true}}},
		"position of tomorrow": {"Status/Geolocation", `{"latitude":1,"longitude":2,"datetime":1795338666}`,
			message{kind: kindGeolocation, position: Position{1, 2, noon, true}}},
		"position in milliseconds": {"Status/Geolocation", `{"latitude":1,"longitude":2,"datetime":1795252266000}`,
			message{kind: kindGeolocation, position: Position{1, 2, noon, true}}},
		"position without a date": {"Status/Geolocation", `{"latitude":1,"longitude":2}`,
			message{kind: kindGeolocation, position: Position{1, 2, noon, true}}},
		"GPS off": {"Status/Geolocation", `{"gps":"off","datetime":1795252266}`,
			message{kind: kindGeolocation, position: Position{At: taken}}},
		"command": {"Command/Lock", `{"lock":"now"}`, message{kind: kindCommand, command: "Lock"}},
	} {
		c.want.device, c.want.at = someone, noon
		got, err := parseMessage(own+c.topic, []byte(c.payload), false, noon, 64<<10)
		if err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v; want %+v", name, got, err, c.want)
		}
	}
}

func TestParseMessageRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		topic, payload string
		retained       bool
		want           error
	}{
		"perhaps online":                 {"Status/Online", `{"online":"perhaps"}`, false, refusedPayload},
		"two thirds online":              {"Status/Online", `{"online":0.67}`, false, refusedPayload},
		"no word on it":                  {"Status/Online", `{}`, false, refusedPayload},
		"null":                           {"Status/Online", `{"online":null}`, false, refusedPayload},
		"nested":                         {"Status/Online", `{"online":{"online":true}}`, false, refusedPayload},
		"not an object":                  {"Status/Online", `true`, false, refusedPayload},
		"deep":                           {"Status/Online", strings.Repeat("[", 1000), false, refusedPayload},
		"latitude out of range":          {"Status/Geolocation", `{"latitude":90.1,"longitude":0}`, false, refusedPayload},
		"longitude out of range":         {"Status/Geolocation", `{"latitude":0,"longitude":"-180.5"}`, false, refusedPayload},
		"not a number":                   {"Status/Geolocation", `{"latitude":"NaN","longitude":0}`, false, refusedPayload},
		"half a position":                {"Status/Geolocation", `{"latitude":1}`, false, refusedPayload},
		"position that is na":            {"Status/Geolocation", `{"latitude":"na","longitude":"na"}`, false, refusedPayload},
		"searching":                      {"Status/Geolocation", `?`, false, errIgnored},
		"unknown task status":            {"Status/Task/3", `{"status":"dancing"}`, false, refusedPayload},
		"doubtful unenrolment":           {"Status/Unenroll", `{"unenroll":"now"}`, false, refusedPayload},
		"inventory that is not XML":      {"Status/Inventory", `{"inventory":1}`, false, refusedPayload},
		"pong that is too large":         {"Status/Ping", long(1025), false, refusedTooLarge},
		"inventory that is too large":    {"Status/Inventory", "<" + long(maxInventory), false, refusedTooLarge},
		"retained pong":                  {"Status/Ping", "!", true, refusedRetained},
		"retained command":               {"Command/Wipe", `{"wipe":"now"}`, true, errIgnored},
		"cleared command":                {"Command/Wipe", ``, false, errIgnored},
		"cleared status":                 {"Status/Online", ``, false, errIgnored},
		"policy":                         {"Policy/disableCamera/Task/2", `{"disableCamera":"true"}`, true, errIgnored},
		"inventory may be larger":        {"Status/Inventory", "<" + long(2000), false, nil},
		"retained word on presence goes": {"Status/Online", `{"online":false}`, true, nil},
	} {
		if _, err := parseMessage(own+c.topic, []byte(c.payload), c.retained, noon, 1024); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

// FuzzParseMessage looks for a message that is accepted though it breaks what the rest relies on.
func FuzzParseMessage(f *testing.F) {
	for _, seed := range [][2]string{
		{"1/agent/SN-1/Status/Online", `{"online":true}`}, {"/1/agent/SN-1/Status/Online", `{ online: false }`},
		{"3/agent/SER-CARL-1/Status/Geolocation", `{"latitude": "48.85", "longitude": "2.35", "datetime": 1795254847}`},
		{"3/agent/SER-CARL-1/Status/Geolocation", `{"gps": "off", "datetime": 1795254847}`},
		{"1/agent/SN-1/Status/Geolocation", `{"latitude":"0x1p-2","longitude":"Inf","datetime":"1e400"}`},
		{"1/agent/SN-1/Status/Task/1", `{"status":"done"}`}, {"1/agent/SN-1/Command/Lock", `{"lock":"now"}`},
		{"1/agent/SN-1/Status/Inventory", "<REQUEST/>"}, {"1/agent/SN-1/Status/Ping", "!"},
		{"1/agent/\xff/Status/Ping", "!"}, {"//agent/SN-1/Status/Online", "{}"}, {"0/agent/ /Status/Unenroll", `{"unenroll":"unenrolled"}`},
	} {
		f.Add(seed[0], []byte(seed[1]), false)
		f.Add(seed[0], []byte(seed[1]), true)
	}
	f.Fuzz(func(t *testing.T, topic string, payload []byte, retained bool) {
		m, err := parseMessage(topic, payload, retained, noon, 64<<10)
		if err != nil {
			if _, refused := err.(refusal); !refused && err != errIgnored {
				t.Fatalf("an error that nobody expects: %v", err)
			}
			return
		}
		if retained && m.kind != kindOnline {
			t.Errorf("a retained %s was taken for a live one", m.kind)
		}
		serial := m.device.Serial
		if serial == "" || len(serial) > maxSerial || !utf8.ValidString(serial) || strings.ContainsFunc(serial, unicode.IsControl) {
			t.Errorf("serial %q was accepted", serial)
		}
		if !strings.Contains(topic, "/agent/"+serial+"/") || m.device.EntityID < 0 {
			t.Errorf("topic %q was taken for %+v", topic, m.device)
		}
		p := m.position
		if math.IsNaN(p.Latitude+p.Longitude) || math.Abs(p.Latitude) > 90 || math.Abs(p.Longitude) > 180 {
			t.Errorf("position %+v was accepted", p)
		}
		if m.kind == kindGeolocation && (p.At.Before(firstDate) || p.At.After(noon.Add(clockSkew))) {
			t.Errorf("date %s was accepted", p.At)
		}
		if m.kind == kindTask && (m.task.TaskID <= 0 || !taskStatuses[m.task.Status]) {
			t.Errorf("task %+v was accepted", m.task)
		}
		if m.kind == kindCommand && !commands[m.command] {
			t.Errorf("command %q was accepted", m.command)
		}
	})
}
