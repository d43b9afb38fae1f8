package graph_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// computerRow is a computer with its agent, as GLPI's operator sees them.
type computerRow struct {
	ID           int
	Serial, UUID string
	UserID       int `json:"users_id"`
	agent        int
}

// computerIn is a computer under management in an entity.
func (o *operator) computerIn(entity string) computerRow {
	o.w.t.Helper()
	var agents []struct {
		ID         int
		ComputerID int `json:"computers_id"`
		EntityID   int `json:"entities_id"`
	}
	o.call(http.MethodGet, "/PluginFlyvemdmAgent?range=0-999", nil, &agents)
	id := o.idOf("Entity", entity)
	for _, a := range agents {
		if a.EntityID == id && a.ComputerID > 0 {
			c := o.computer(a.ComputerID)
			c.agent = a.ID
			return c
		}
	}
	o.w.t.Fatalf("%s has no device", entity)
	return computerRow{}
}

func (o *operator) computer(id int) (c computerRow) {
	o.call(http.MethodGet, fmt.Sprint("/Computer/", id), nil, &c)
	return c
}

// GLPI makes a device the invited person's whose serial or UUID it has, whoever has it. Through the gateway nobody takes
// one that is under management for another, and the invitation is not used up by trying.
func TestNobodyTakesADeviceOver(t *testing.T) {
	w := newPhoneShop(t, withService)
	o := w.operator()
	theirs, ours := o.computerIn("Globex"), o.computerIn("ACME")
	set := func(c computerRow, values map[string]any) {
		o.call(http.MethodPut, fmt.Sprint("/Computer/", c.ID), values, nil)
	}
	set(theirs, map[string]any{"uuid": "uuid-theirs"})
	set(ours, map[string]any{"uuid": "uuid-ours"})
	inventory := func(serial, uuid string) string {
		return "<REQUEST><DEVICEID>x</DEVICEID><CONTENT><HARDWARE><UUID>" + uuid + "</UUID></HARDWARE><BIOS><SSN>" + serial + "</SSN></BIOS></CONTENT></REQUEST>"
	}
	for i, c := range []struct {
		name, serial string
		of           computerRow
		changes      map[string]any
		want         any
		before       func()
	}{
		{name: "another company's serial", serial: theirs.Serial, of: theirs, want: "DEVICE_TAKEN"},
		{name: "in small letters", serial: strings.ToLower(theirs.Serial), of: theirs, want: "DEVICE_TAKEN"},
		{name: "another company's UUID", serial: "SN-NEW", of: theirs, changes: map[string]any{"uuid": "uuid-theirs"}, want: "DEVICE_TAKEN"},
		{name: "in capital letters", serial: "SN-NEW", of: theirs, changes: map[string]any{"uuid": "UUID-THEIRS"}, want: "DEVICE_TAKEN"},
		{
			name: "in the inventory", serial: "SN-NEW", of: theirs, want: "DEVICE_TAKEN",
			changes: map[string]any{"uuid": "uuid-theirs", "inventory": inventory("SN-NEW", "uuid-theirs")},
		},
		{
			name: "in the inventory alone", serial: "SN-NEW", of: theirs, want: "BAD_USER_INPUT",
			changes: map[string]any{"inventory": inventory("SN-NEW", "uuid-theirs")},
		},
		{
			name: "in the trash", serial: theirs.Serial, of: theirs, want: "DEVICE_TAKEN",
			before: func() { o.call(http.MethodDelete, fmt.Sprint("/Computer/", theirs.ID), nil, nil) },
		},
		{name: "a colleague's serial", serial: ours.Serial, of: ours, want: "DEVICE_TAKEN"},
		{name: "a colleague's UUID", serial: "SN-NEW", of: ours, changes: map[string]any{"uuid": "uuid-ours"}, want: "DEVICE_TAKEN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.before != nil {
				c.before()
			}
			email := fmt.Sprintf("taker%d@acme.test", i)
			_, link := w.invited(email)
			owner := o.computer(c.of.ID)
			var a answer
			calls := w.callsOf(func() { a = w.must("", enrollQuery, application(link, email, c.serial, c.changes)) })
			if a.at("enroll", "userErrors", 0, "code") != c.want || a.at("enroll", "agent") != nil {
				t.Errorf("got %s", a.text)
			}
			if slices.Contains(calls, "POST /PluginFlyvemdmAgent") {
				t.Errorf("GLPI was asked to enrol it: %q", calls)
			}
			if now := o.computer(c.of.ID); now != owner {
				t.Errorf("it was %v, and is %v", owner, now)
			}
			if a := w.must("", enrollQuery, application(link, email, fmt.Sprint("SN-OWN", i), nil)); a.at("enroll", "agent") == nil {
				t.Errorf("the invitation is lost: %s", a.text)
			}
		})
	}
}

// A device is enrolled again by who has it, and by the next person once the administrator has let go of it.
func TestADeviceIsEnrolledAgain(t *testing.T) {
	w := newPhoneShop(t, withService)
	o := w.operator()
	ours := o.computerIn("ACME")
	_, first := w.invited("ann@acme.test")
	_, second := w.invited("ben@acme.test")
	if a := w.must("", enrollQuery, application(first, "ann@acme.test", "SN-7", map[string]any{"uuid": "uuid-7"})); a.at("enroll", "agent") == nil {
		t.Fatalf("not enrolled: %s", a.text)
	}
	again := w.must("", enrollQuery, application(w.invitedAgain("ann@acme.test"), "ann@acme.test", "SN-7", map[string]any{"uuid": "uuid-7"}))
	if again.at("enroll", "agent") == nil {
		t.Fatalf("her own phone is refused: %s", again.text)
	}
	if a := w.must("", enrollQuery, application(second, "ben@acme.test", ours.Serial, nil)); a.at("enroll", "userErrors", 0, "code") != "DEVICE_TAKEN" {
		t.Fatalf("a colleague's phone is given away: %s", a.text)
	}
	o.call(http.MethodPut, fmt.Sprint("/PluginFlyvemdmAgent/", ours.agent), map[string]any{"_unenroll_request": "1"}, nil)
	if a := w.must("", enrollQuery, application(second, "ben@acme.test", ours.Serial, nil)); a.at("enroll", "agent") == nil {
		t.Errorf("a phone that was told to leave is refused: %s", a.text)
	}
	deleted := o.computerIn("ACME Paris")
	o.call(http.MethodDelete, fmt.Sprint("/PluginFlyvemdmAgent/", deleted.agent, "?force_purge=true"), nil, nil)
	if a := w.must("", enrollQuery, application(w.invitedAgain("ben@acme.test"), "ben@acme.test", deleted.Serial, nil)); a.at("enroll", "agent") == nil {
		t.Errorf("a phone whose device was deleted is refused: %s", a.text)
	}
	foreign := o.computerIn("Globex")
	o.call(http.MethodDelete, fmt.Sprint("/PluginFlyvemdmAgent/", foreign.agent, "?force_purge=true"), nil, nil)
	if a := w.must("", enrollQuery, application(w.invitedAgain("ben@acme.test"), "ben@acme.test", foreign.Serial, nil)); a.at("enroll", "userErrors", 0, "code") != "DEVICE_TAKEN" {
		t.Errorf("another company's computer is given away: %s", a.text)
	}
}

// While GLPI does not tell whose a device is, nobody enrols, and no invitation is lost.
func TestNobodyEnrolsUnseen(t *testing.T) {
	w := newPhoneShop(t, withService)
	_, link := w.invited("ann@acme.test")
	w.standIn(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/Computer") {
			http.Error(rw, `["ERROR","broken"]`, http.StatusInternalServerError)
			return
		}
		w.glpi.ServeHTTP(rw, r)
	})
	if a := w.ask("", enrollQuery, application(link, "ann@acme.test", "SN-7", nil)); a.code() == "" {
		t.Errorf("got %s", a.text)
	}
	w.standIn(nil)
	if a := w.must("", enrollQuery, application(link, "ann@acme.test", "SN-7", nil)); a.at("enroll", "agent") == nil {
		t.Errorf("the invitation is lost: %s", a.text)
	}
}
