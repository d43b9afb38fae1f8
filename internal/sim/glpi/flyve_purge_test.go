package glpi

import (
	"fmt"
	"testing"
)

// left is how many rows of a class have a value in a column.
func (st *stage) left(itemtype, column string, value any) (n int) {
	st.do(func(tx *Tx) { n = len(tx.Find(itemtype, column, value)) })
	return n
}

// guestLinks is how often somebody is a guest.
func (st *stage) guestLinks(user int) (n int) {
	st.do(func(tx *Tx) {
		for _, link := range tx.Find("Profile_User", "users_id", user) {
			if link.Int("profiles_id") == tx.guestProfile() {
				n++
			}
		}
	})
	return n
}

// TestPurges shows what goes along with a row of GLPI's own, and what stays.
func TestPurges(t *testing.T) {
	type counts map[string]int // by "itemtype column": rows that still name the device or its owner
	for _, c := range []struct {
		name  string
		purge func(st *stage, d device)
		want  counts
	}{
		{"a computer into the trash takes nothing", func(st *stage, d device) {
			st.admin.want("DELETE", fmt.Sprintf("/Computer/%d", d.computer), "", 200, "true")
		}, counts{"PluginFlyvemdmAgent": 1, "PluginFlyvemdmGeolocation": 1, "PluginFlyvemdmInvitation": 2, "PluginFlyvemdmMqttuser": 1, "machine": 1}},
		{"a purged computer takes its agent and positions, and leaves the accounts", func(st *stage, d device) {
			st.admin.want("DELETE", fmt.Sprintf("/Computer/%d?force_purge=true", d.computer), "", 200, "true")
		}, counts{"PluginFlyvemdmInvitation": 2, "PluginFlyvemdmMqttuser": 1, "machine": 1}},
		{"a purged owner takes the invitations", func(st *stage, d device) {
			st.admin.want("DELETE", fmt.Sprintf("/User/%d?force_purge=true", d.owner), "", 200, "true")
		}, counts{"PluginFlyvemdmAgent": 1, "PluginFlyvemdmGeolocation": 1, "PluginFlyvemdmMqttuser": 1, "machine": 1}},
		{"a lost guest profile takes the invitations", func(st *stage, d device) {
			link := 0
			st.do(func(tx *Tx) {
				for _, row := range tx.Find("Profile_User", "users_id", d.owner) {
					if row.Int("profiles_id") == tx.guestProfile() {
						link = row.ID()
					}
				}
			})
			st.admin.want("DELETE", fmt.Sprintf("/Profile_User/%d?force_purge=true", link), "", 200, "true")
		}, counts{"PluginFlyvemdmAgent": 1, "PluginFlyvemdmGeolocation": 1, "PluginFlyvemdmMqttuser": 1, "machine": 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := newStage(t)
			d := st.enrol("ann@acme.test", "SER1")
			st.add("PluginFlyvemdmInvitation", fmt.Sprintf(`{"users_id":%d,"entities_id":%d}`, d.owner, st.entity))
			st.add("PluginFlyvemdmGeolocation", fmt.Sprintf(`{"computers_id":%d,"latitude":"1","longitude":"2"}`, d.computer))
			machine := 0
			st.do(func(tx *Tx) { machine = tx.Row("PluginFlyvemdmAgent", d.agent).Int("users_id") })
			st.broker.take()
			c.purge(st, d)
			for what, left := range map[string]int{
				"PluginFlyvemdmAgent":       st.left("PluginFlyvemdmAgent", "id", d.agent),
				"PluginFlyvemdmGeolocation": st.left("PluginFlyvemdmGeolocation", "computers_id", d.computer),
				"PluginFlyvemdmInvitation":  st.left("PluginFlyvemdmInvitation", "users_id", d.owner),
				"PluginFlyvemdmMqttuser":    st.left("PluginFlyvemdmMqttuser", "user", "SER1"),
				"machine":                   st.left("User", "id", machine),
			} {
				if left != c.want[what] {
					t.Errorf("%s: %d left, wanted %d", what, left, c.want[what])
				}
			}
			sameMessages(t, st.broker.take())
		})
	}
}

// TestPurgedEntity takes along all that the plugin kept for it.
func TestPurgedEntity(t *testing.T) {
	st := newStage(t)
	d := st.enrol("ann@acme.test", "SER1")
	st.fleet("blue")
	st.stock()
	root := signIn(t, st.s, "glpi", "glpi")
	root.want("DELETE", fmt.Sprintf("/Entity/%d?force_purge=true", st.entity), "", 200, "true")
	for _, itemtype := range []string{
		"EntityConfig", "Invitation", "Agent", "Fleet", "Package", "File",
	} {
		if n := st.left("PluginFlyvemdm"+itemtype, "entities_id", st.entity); n > 0 {
			t.Errorf("%d rows of %s are left", n, itemtype)
		}
	}
	if n := st.left("Computer", "id", d.computer); n != 1 {
		t.Error("the computer is gone")
	}
}

// TestNewEntity gets its settings and the fleet of its unmanaged devices, and a second such fleet is accepted.
func TestNewEntity(t *testing.T) {
	st := newStage(t)
	root := signIn(t, st.s, "glpi", "glpi")
	root.want("POST", "/Entity", `{"input":{"name":"Globex","entities_id":0}}`, 201, `"message":"Item successfully added:`)
	entity, home := 0, 0
	st.do(func(tx *Tx) {
		entity = tx.First("Entity", "name", "Globex").ID()
		home = tx.defaultFleet(entity).ID()
	})
	sameMessages(t, st.broker.take(), fmt.Sprintf(`%d/fleet/%d/Policy/defaultStreamType {"defaultStreamType":"default","taskId":""} retained`, entity, home))
	if n := st.left("PluginFlyvemdmEntityConfig", "id", entity); n != 1 {
		t.Errorf("%d settings", n)
	}
	second := st.add("PluginFlyvemdmFleet", fmt.Sprintf(`{"name":"false default","is_default":"1","entities_id":%d}`, st.entity))
	st.admin.want("DELETE", fmt.Sprintf("/PluginFlyvemdmFleet/%d", second), "", 400, noPermission)
	st.admin.want("POST", "/PluginFlyvemdmTask", fmt.Sprintf(`{"input":{"itemtype_applied":"PluginFlyvemdmFleet","items_id_applied":%d,"plugin_flyvemdm_policies_id":20,"value":1}}`, second), 400, "Cannot apply a policy on a not managed fleet")
}

// TestOwnerOfTwo stays a guest, with his invitations, until the last of his computers in the entity loses its agent.
func TestOwnerOfTwo(t *testing.T) {
	st := newStage(t)
	d := st.enrol("ann@acme.test", "SER1")
	id := st.add("PluginFlyvemdmInvitation", fmt.Sprintf(`{"users_id":%d,"entities_id":%d}`, d.owner, st.entity))
	token := ""
	st.do(func(tx *Tx) { token = tx.Row("PluginFlyvemdmInvitation", id).Str("invitation_token") })
	d.guest.want("POST", "/PluginFlyvemdmAgent", application("ann@acme.test", token, "SER2"), 201, `"id":2`)
	st.admin.want("DELETE", d.path(), "", 200, "true")
	if links, invitations := st.guestLinks(d.owner), st.left("PluginFlyvemdmInvitation", "users_id", d.owner); links == 0 || invitations != 2 {
		t.Errorf("with another computer: guest %d times, %d invitations", links, invitations)
	}
	st.admin.want("DELETE", fmt.Sprintf("/Computer/%d?force_purge=true", d.computer), "", 200, "true")
	st.admin.want("DELETE", "/PluginFlyvemdmAgent/2", "", 200, "true")
	if links, invitations := st.guestLinks(d.owner), st.left("PluginFlyvemdmInvitation", "users_id", d.owner); links+invitations > 0 {
		t.Errorf("with no other: guest %d times, %d invitations", links, invitations)
	}
}

// TestSamePhoneTwice makes two agents of one computer, which share a serial number and so an account.
func TestSamePhoneTwice(t *testing.T) {
	st := newStage(t)
	d := st.enrol("ann@acme.test", "SER1")
	_, token := st.invite("ben@acme.test")
	d.guest.want("POST", "/PluginFlyvemdmAgent", application("ben@acme.test", token, "SER1"), 201, `"id":2`)
	st.admin.want("GET", "/PluginFlyvemdmAgent/2", "", 200, fmt.Sprintf(`"computers_id":%d,`, d.computer))
	if _, has := st.broker.passwords["SER1"]; !has {
		t.Fatal("no account")
	}
	st.admin.want("DELETE", d.path(), "", 200, "true")
	if _, has := st.broker.passwords["SER1"]; has {
		t.Error("the second agent kept the account that it shared with the first")
	}
	st.admin.want("GET", "/PluginFlyvemdmAgent/2", "", 200, `"enroll_status":"enrolled"`)
}

// TestDeletionWithoutGuestProfile is refused before anything is done.
func TestDeletionWithoutGuestProfile(t *testing.T) {
	st := newStage(t)
	d := st.enrol("ann@acme.test", "SER1")
	st.do(func(tx *Tx) { tx.SetConfig("flyvemdm", "guest_profiles_id", 99) })
	st.admin.want("DELETE", d.path(), "", 400, "Failed to find the guest user profile")
	sameMessages(t, st.broker.take())
	if _, has := st.broker.passwords["SER1"]; !has {
		t.Error("the account is gone")
	}
}
