package glpiproxy

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

func TestScalars(t *testing.T) {
	for _, c := range []struct {
		raw  string
		text string
		num  int
		ok   bool
		flag bool
	}{
		{`1`, "1", 1, true, true},
		{`"1"`, "1", 1, true, true},
		{`0`, "0", 0, true, false},
		{`"0"`, "0", 0, true, false},
		{`-1`, "-1", -1, true, false},
		{`true`, "true", 1, true, true},
		{`false`, "false", 0, false, false},
		{`"false"`, "false", 0, false, false},
		{`null`, "", 0, false, false},
		{`""`, "", 0, false, false},
		{``, "", 0, false, false},
		{`4.3`, "4.3", 0, false, false},
		{`7.0`, "7.0", 7, true, false},
		{`33612345678`, "33612345678", 33612345678, true, false},
		{`1.2345678901234567e+19`, "1.2345678901234567e+19", 0, false, false},
		{`"12abc"`, "12abc", 0, false, false},
		{`[1]`, "", 0, false, false},
		{`{"a":1}`, "", 0, false, false},
		{`"Field &lt;b&gt;& co"`, "Field <b>& co", 0, false, false},
		{`"&amp;lt;"`, "&lt;", 0, false, false},
		{`"O&#039;Brien &quot;x&quot;"`, `O'Brien "x"`, 0, false, false},
		{`"a?b=1&copy=2"`, "a?b=1&copy=2", 0, false, false},
	} {
		raw := json.RawMessage(c.raw)
		num, ok := intOf(raw)
		if textOf(raw) != c.text || num != c.num || ok != c.ok || boolOf(raw) != c.flag {
			t.Errorf("%s: %q %d %v %v", c.raw, textOf(raw), num, ok, boolOf(raw))
		}
	}
}

func TestDates(t *testing.T) {
	paris := time.FixedZone("", 3600)
	for raw, want := range map[string]string{
		`"2026-11-21 09:06:49"`:       "2026-11-21T08:06:49Z",
		`"2026-11-21"`:                "2026-11-20T23:00:00Z",
		`"2026-11-21T09:06:49+00:00"`: "2026-11-21T09:06:49Z",
		`"0000-00-00 00:00:00"`:       "",
		`"0000-00-00"`:                "",
		`""`:                          "",
		`null`:                        "",
		`0`:                           "",
		`"yesterday"`:                 "",
		`[]`:                          "",
	} {
		got := timeOf(json.RawMessage(raw), paris)
		if got.IsZero() != (want == "") || want != "" && got.Format(time.RFC3339) != want {
			t.Errorf("%s: %v, want %s", raw, got, want)
		}
	}
}

func TestMembersOfEitherForm(t *testing.T) {
	for raw, want := range map[string][]string{
		`[3,1]`:                 {"3", "1"},
		`{"10":"b","9":"a"}`:    {"a", "b"},
		`{"y":2,"x":1}`:         {"1", "2"},
		`[]`:                    nil,
		`{}`:                    nil,
		` [ "a" ]`:              {"a"},
		`{"1":1,"4":4,"3":"3"}`: {"1", "3", "4"},
	} {
		list, ok := members(json.RawMessage(raw))
		var got []string
		for _, m := range list {
			got = append(got, plain(m.value))
		}
		if !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v %v, want %v", raw, got, ok, want)
		}
	}
	for _, raw := range []string{``, `1`, `"a"`, `null`, `[1`, `{"a"}`} {
		if _, ok := members(json.RawMessage(raw)); ok {
			t.Errorf("%q is no PHP array", raw)
		}
	}
}

func TestParseJSONRefusesWhatIsNotClean(t *testing.T) {
	for _, body := range []string{
		``, ` `, `<b>Warning</b>: oops [{"id":1}]`, `[{"id":1}`, `[{"id":1}] trailing`, `SQL error: near 'Brien'{"totalcount":0}`, `<html>`,
	} {
		if _, err := parseJSON([]byte(body)); err == nil {
			t.Errorf("%q was taken", body)
		}
	}
	for _, body := range []string{`[]`, "\xef\xbb\xbf{}", " true\n"} {
		if _, err := parseJSON([]byte(body)); err != nil {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestContentRange(t *testing.T) {
	for text, want := range map[string][3]int{
		"0-9/39": {0, 39, 1}, "0-15/2": {0, 2, 1}, "41-40/41": {41, 41, 1}, "0--1/0": {0, 0, 1},
		"": {}, "0--1/": {}, "x-y/z": {}, "5": {}, "0-1/-4": {},
	} {
		start, total, ok := contentRange(text)
		if ok != (want[2] == 1) || ok && (start != want[0] || total != want[1]) {
			t.Errorf("%q: %d %d %v", text, start, total, ok)
		}
	}
}

func TestItemsOfBothGenerations(t *testing.T) {
	columns := columnsOf(reflect.TypeFor[Agent]())
	nine := `{"id":3,"name":7,"version":2,"computers_id":5,"entities_id":1,"plugin_flyvemdm_fleets_id":null,"wipe":1,"lock":0,
		"is_online":1,"enroll_status":"enrolled","mdm_type":"android","notification_type":"mqtt","last_contact":"2026-11-21 09:06:49","last_report":null}`
	ten := `{"id":"3","name":"7","version":"2","computers_id":"5","entities_id":"1","plugin_flyvemdm_fleets_id":"0","wipe":"1","lock":"0",
		"is_online":true,"enroll_status":"enrolled","mdm_type":"android","notification_type":"mqtt","last_contact":"2026-11-21 09:06:49","last_report":""}`
	want := Agent{
		ID: 3, Name: "7", Version: "2", ComputerID: 5, EntityID: 1, Wipe: true, Online: true, EnrollStatus: "enrolled",
		MDMType: "android", NotificationType: "mqtt", LastContact: time.Date(2026, 11, 21, 9, 6, 49, 0, time.UTC),
	}
	for _, raw := range []string{nine, ten} {
		got, err := decodeItem[Agent](json.RawMessage(raw), time.UTC, columns)
		if err != nil || got != want {
			t.Errorf("%+v, %v", got, err)
		}
	}
	for _, raw := range []string{`{}`, `[]`, `{"id":null}`, `{"id":"abc"}`, `7`, `{"name":"x"}`} {
		if _, err := decodeItem[Agent](json.RawMessage(raw), time.UTC, columns); err == nil {
			t.Errorf("%s was taken for an agent", raw)
		}
	}
}

func TestGeolocationWithoutGPS(t *testing.T) {
	items, err := decodeItems[Geolocation](json.RawMessage(`[
		{"id":1,"computers_id":2,"latitude":48.8566,"longitude":"2.3522","date":"2026-11-21 09:13:25"},
		{"id":2,"computers_id":2,"latitude":"na","longitude":"na","date":"2026-11-21 09:13:26"},
		{"id":3,"computers_id":2,"latitude":0,"longitude":0,"date":null},
		{"id":4,"computers_id":2,"latitude":91,"longitude":0,"date":null}]`), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	for i, available := range []bool{true, false, true, false} {
		if items[i].Available != available {
			t.Errorf("%+v", items[i])
		}
	}
	if items[0].Latitude != 48.8566 || items[0].Longitude != 2.3522 || items[3].Latitude != 0 {
		t.Errorf("%+v", items)
	}
}

func TestPolicyTypeData(t *testing.T) {
	items, err := decodeItems[Policy](json.RawMessage(`[
		{"id":1,"type_data":"\"\"","android_min_version":4.3,"is_android_system":"1"},
		{"id":2,"type_data":"{\"A\":\"&quot;\"}"},{"id":3,"type_data":null}]`), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	if items[0].TypeData != "" || items[1].TypeData != `{"A":"&quot;"}` || items[2].TypeData != "" {
		t.Errorf("%+v", items)
	}
	if items[0].AndroidMinVersion != "4.3" || !items[0].AndroidSystem {
		t.Errorf("%+v", items[0])
	}
}

// FuzzDecode: whatever comes, nothing panics, and only JSON is understood.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`[{"id":1,"name":"x"}]`, `{"0":{"id":"1"}}`, `{"totalcount":1,"data":[{"2":1,"1":["a"]}]}`, `["ERROR","x"]`,
		`{"session":{"glpiID":1,"glpiactiveprofile":{"id":4},"glpiactiveentities":{"1":1}}}`, `{"myprofiles":[{"id":1,"entities":{"0":{"id":0}}}]}`,
		``, `null`, `[[[]]]`, `{"id":1e400}`, `{"id":1,"date":"0000-00-00"}`, "\xef\xbb\xbf[]", `{"totalcount":null}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		_, _, _ = errorPair(body)
		_ = classify("get", 400, body)
		raw, err := parseJSON(body)
		if err != nil {
			return
		}
		if !json.Valid(raw) {
			t.Fatalf("%q was taken for JSON", body)
		}
		_, _ = decodeItems[Agent](raw, time.UTC)
		_, _ = decodeItems[Geolocation](raw, time.UTC)
		if page, err := decodeSearch(raw, Range{}, time.UTC); err == nil {
			for _, row := range page.Rows {
				_, _, _ = row.ID(), row.Texts(1), row.Time(8)
			}
		}
		if r, err := unwrapSession(raw); err == nil {
			_, _ = decodeScope(r)
		}
		_, _ = decodeProfiles(raw)
	})
}
