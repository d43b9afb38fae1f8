package enrolment

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

func sound(change func(*Request)) Request {
	r := Request{UserToken: "USER", InvitationToken: "INVITE", Email: "ann@acme.test", Serial: "SN-1", Version: "2.1.0", Type: "android", Model: "Pixel <4>", OSVersion: "10"}
	if change != nil {
		change(&r)
	}
	return r
}

// What is built has what FusionInventory needs, whatever the texts hold.
func TestTheLeastInventory(t *testing.T) {
	d, err := sound(func(r *Request) { r.UUID = "u-1" }).check(nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := base64.StdEncoding.DecodeString(d.Inventory)
	if err != nil {
		t.Fatal(err)
	}
	var read minimal
	if err := xml.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	if read.DeviceID != "SN-1" || read.BIOS.SSN != "SN-1" || read.BIOS.SModel != "Pixel <4>" || read.Hardware.UUID != "u-1" || read.OS.Name != "Android" || read.OS.Version != "10" {
		t.Errorf("got %s", text)
	}
	if uuid, err := inspect(text, "SN-1"); err != nil || uuid != "u-1" {
		t.Errorf("it is refused itself: %v", err)
	}
}

// An inventory must be of the device that it is given for: GLPI takes the serial, and with it the account on the broker,
// from there.
func TestInventoriesAreInspected(t *testing.T) {
	doc := func(id, content string) string {
		return "<REQUEST><DEVICEID>" + id + "</DEVICEID><CONTENT>" + content + "</CONTENT></REQUEST>"
	}
	own := "<BIOS><SSN>SN-1</SSN></BIOS>"
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"sound":              {doc("x", own), true},
		"in base64":          {base64.StdEncoding.EncodeToString([]byte(doc("x", own))), true},
		"wrapped base64":     {base64.StdEncoding.EncodeToString([]byte(doc("x", own)))[:20] + "\n" + base64.StdEncoding.EncodeToString([]byte(doc("x", own)))[20:], true},
		"another serial":     {doc("x", "<BIOS><SSN>SN-2</SSN></BIOS>"), false},
		"a second serial":    {doc("x", own+"<BIOS><SSN>SN-2</SSN></BIOS>"), false},
		"a serial in pieces": {doc("x", "<BIOS><SSN>SN-1<!-- -->SN-1</SSN></BIOS>"), false},
		"no serial":          {doc("x", ""), false},
		"no device":          {doc("", own), false},
		"a DTD":              {"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>" + doc("x", own), false},
		"cut off":            {doc("x", own)[:40], false},
		"no XML":             {"!!!", false},
		"too large":          {doc("x", own+strings.Repeat(" ", largestInventory)), false},
		"deep":               {doc("x", own+strings.Repeat("<A>", 10)+strings.Repeat("</A>", 10)), true},
		"too deep":           {doc("x", own+strings.Repeat("<A>", 11)+strings.Repeat("</A>", 11)), false},
		"a serial below":     {doc("x", own+"<A><BIOS><SSN>SN-2</SSN></BIOS></A>"), false},
	} {
		_, err := sound(func(r *Request) { r.Inventory = c.text }).check(nil)
		if (err == nil) != c.ok {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A device is called nothing that GLPI's database or the broker could take for another one's name.
func TestNamesOfDevices(t *testing.T) {
	for name, ok := range map[string]bool{
		"R58M31000K": true, "O'Brien's <phone> & co": true, "a_b-c.d:e": true, strings.Repeat("x", 128): true,
		"SN-1\u200b": false, "SN-1\u0301": false, "SN-１": false, "ŠN-1": false, "SN-1\u00a0": false, "SN\x00-1": false, "SN\x7f-1": false, "\xff": false,
		" SN-1": false, "SN-1+": false, "#": false, "a/b": false, "$SYS": false, "SN-1%": false, "^SN-1$": false, `SN\1`: false,
		strings.Repeat("x", 129): false, "Gateway": false,
	} {
		for field, change := range map[string]func(*Request){
			"serial": func(r *Request) { r.Serial = name }, "uuid": func(r *Request) { r.Serial, r.UUID = "", name },
		} {
			if _, err := sound(change).check([]string{"gateway"}); (err == nil) != ok {
				t.Errorf("%s %q: %v", field, name, err)
			}
		}
	}
}

// Nobody needs to have an invitation to send an inventory: one that is made to be slow to read must not be.
func TestHostileInventoriesAreInspectedQuickly(t *testing.T) {
	long := strings.Repeat("A", 400_000)
	for name, content := range map[string]string{
		"deep":         strings.Repeat("<A>", 100_000) + strings.Repeat("</A>", 100_000),
		"never closed": strings.Repeat("<A>", 300_000),
		"a long name":  "<" + long + ">" + strings.Repeat("<B/>", 50_000) + "</" + long + ">",
	} {
		text := []byte("<REQUEST><DEVICEID>x</DEVICEID><CONTENT><BIOS><SSN>SN-1</SSN></BIOS>" + content + "</CONTENT></REQUEST>")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = inspect(text, "SN-1")
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 100<<20 {
			t.Errorf("%s: %d MiB were copied for %d KiB", name, used>>20, len(text)>>10)
		}
	}
}

// Nothing that is printed of a request holds a token.
func TestTokensAreNotPrinted(t *testing.T) {
	r := sound(nil)
	d, err := r.check(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		text := fmt.Sprintf(verb+verb+verb, r, d, d.Enrolment)
		if strings.Contains(text, "USER") || strings.Contains(text, "INVITE") {
			t.Errorf("%s shows %s", verb, text)
		}
	}
}

// The plugin's texts are understood; what it says only after it has used the invitation up is not.
func TestReasons(t *testing.T) {
	for text, want := range map[string]Code{
		"MQTT service is not available": NotificationUnavailable, "Device inventory XML is mandatory": InventoryInvalid,
		"Inventory XML is not well formed": InventoryInvalid, "The agent version is too low": VersionTooLow, "Bad agent version": VersionInvalid,
		"unknown MDM type": TypeUnknown, "Invitation is not pending": InvitationUsed, "Invitation token expired": InvitationExpired,
		"Wrong email address": WrongEmail, "Failed to sign the certificate: x": CertificateRefused,
		"Cannot create the device": "", "No default fleet available for the device": "", "Adresse erronée": "",
	} {
		if code, known := codeOf(text); code != want || known != (want != "") {
			t.Errorf("%s: got %q", text, code)
		}
	}
}

// A try that the gateway did not live to end counts as one that used the invitation up, once nothing more can come of it,
// and only where it is used up.
func TestTriesThatNeverEnded(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name         string
		note         Note
		used, failed bool
	}{
		{"nobody tried", Note{}, false, false},
		{"enrolled", Note{At: now, LogID: 3}, true, false},
		{"failed", Note{At: now, Code: WrongEmail}, false, true},
		{"failed, and then enrolled past the gateway", Note{At: now, Code: WrongEmail}, true, false},
		{"half", Note{At: now, Code: InvitationConsumed}, true, true},
		{"half, and armed again", Note{At: now, Code: InvitationConsumed}, false, false},
		{"under way", Note{At: now.Add(-time.Second), Code: InvitationConsumed, Open: true}, true, false},
		{"never ended", Note{At: now.Add(-time.Hour), Code: InvitationConsumed, Open: true}, true, true},
		{"never ended, and nothing came of it", Note{At: now.Add(-time.Hour), Code: InvitationConsumed, Open: true}, false, false},
	} {
		if got := c.note.Failed(c.used, now); got != c.failed {
			t.Errorf("%s: failed is %t", c.name, got)
		}
	}
}
