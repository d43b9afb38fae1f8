package graph_test

import (
	"fmt"
	"net/http"
	"testing"

	"fleetgate/graph/model"
	"fleetgate/internal/sim/glpi"
)

const slotsQuery = `query ($filter: DeviceSlotFilter, $first: Int, $after: String) { deviceSlots(filter: $filter, first: $first, after: $after) {
	totalCount counts { state count } pageInfo { hasNextPage endCursor }
	nodes { id state reason message user { firstName lastName } entity { id } invitation { id databaseId state } agent { id serial } } } }`

// slotOf finds the slot of an invitation, or nil.
func slotOf(a answer, invitationID int) map[string]any {
	nodes, _ := a.at("deviceSlots", "nodes").([]any)
	for _, node := range nodes {
		slot := node.(map[string]any)
		if i, _ := slot["invitation"].(map[string]any); i != nil && i["databaseId"] == float64(invitationID) {
			return slot
		}
	}
	return nil
}

// An invitation is a slot that becomes a device: sent, tried in vain, enrolled, online, leaving.
func TestASlotFromInvitationToDevice(t *testing.T) {
	w := newPhoneShop(t, withService)
	token := w.signIn("admin@acme.test")
	id, link := w.invited("zoe@acme.test")
	all := map[string]any{"first": 500}
	is := func(step, state string, reason any) map[string]any {
		t.Helper()
		slot := slotOf(w.must(token, slotsQuery, all), id)
		if slot == nil || slot["state"] != state || slot["reason"] != reason || (slot["message"] == nil) != (reason == nil) {
			t.Fatalf("%s: the slot is %v, wanted %s %v", step, slot, state, reason)
		}
		return slot
	}
	is("at first", "SENT", nil)
	w.must("", enrollQuery, application(link, "ben@acme.test", "SN-7", nil))
	is("after a wrong address", "FAILED", "WRONG_EMAIL")
	a := w.must("", enrollQuery, application(link, "zoe@acme.test", "SN-7", nil))
	slot := is("enrolled", "ENROLLED", nil)
	if slot["agent"].(map[string]any)["serial"] != "SN-7" || slot["user"].(map[string]any)["lastName"] != "Lee" {
		t.Errorf("the device is not in its slot: %v", slot)
	}
	phone := w.switchOn(a)
	w.slotIs(token, id, "ONLINE")
	phone.SwitchOff()
	w.operator().call(http.MethodPut, fmt.Sprint("/PluginFlyvemdmAgent/", a.at("enroll", "agent", "databaseId")), map[string]any{"_unenroll_request": "1"}, nil)
	w.slotIs(token, id, "UNENROLLING")
	if slot := slotOf(w.must(w.signIn("admin@globex.test"), slotsQuery, all), id); slot != nil {
		t.Errorf("another company sees %v", slot)
	}
}

// Slots are filtered, counted and paged as one list; what has expired has failed, and what was called back is none.
func TestSlotsAreFilteredAndCounted(t *testing.T) {
	w := newPhoneShop(t, withService)
	token := w.signIn("admin@acme.test")
	whole := w.must(token, slotsQuery, map[string]any{"first": 500})
	nodes := whole.at("deviceSlots", "nodes").([]any)
	if whole.at("deviceSlots", "totalCount") != float64(len(nodes)) || len(nodes) == 0 {
		t.Fatalf("got %d of %v", len(nodes), whole.at("deviceSlots", "totalCount"))
	}
	agents := w.must(token, `{ agents { totalCount } }`, nil).at("agents", "totalCount")
	states, devices := map[string]float64{}, 0.0
	for _, node := range nodes {
		slot := answer{Data: node.(map[string]any)}
		states[slot.at("state").(string)]++
		if slot.at("agent") != nil {
			devices++
		}
		if state := slot.at("invitation", "state"); state == "DEACTIVATED" || state == "ENROLLED" && slot.at("agent") == nil {
			t.Errorf("%v is a slot", slot.at("invitation"))
		} else if (state == "EXPIRED") != (slot.at("reason") == "INVITATION_EXPIRED") {
			t.Errorf("an invitation that is %v has failed with %v", state, slot.at("reason"))
		}
	}
	if devices != agents || states["FAILED"] == 0 || states["SENT"] == 0 {
		t.Errorf("%v devices of %v; states %v", devices, agents, states)
	}
	for _, c := range whole.at("deviceSlots", "counts").([]any) {
		one := answer{Data: c.(map[string]any)}
		state := one.at("state").(string)
		if one.at("count") != states[state] {
			t.Errorf("%s: counted %v, seen %v", state, one.at("count"), states[state])
		}
		some := w.must(token, slotsQuery, map[string]any{"first": 0, "filter": map[string]any{"states": []string{state}}})
		if some.at("deviceSlots", "totalCount") != states[state] || fmt.Sprint(some.at("deviceSlots", "counts")) != fmt.Sprint(whole.at("deviceSlots", "counts")) {
			t.Errorf("%s alone: %s", state, some.text)
		}
	}
	var paged []any
	for after := any(nil); ; {
		page := w.must(token, slotsQuery, map[string]any{"first": 7, "after": after})
		paged = append(paged, page.at("deviceSlots", "nodes").([]any)...)
		if after = page.at("deviceSlots", "pageInfo", "endCursor"); page.at("deviceSlots", "pageInfo", "hasNextPage") == false {
			break
		}
	}
	if len(paged) != len(nodes) || fmt.Sprint(paged[len(paged)-1]) != fmt.Sprint(nodes[len(nodes)-1]) {
		t.Errorf("in pages there are %d of %d", len(paged), len(nodes))
	}
	last := answer{Data: nodes[len(nodes)-1].(map[string]any)}
	found := w.must(token, slotsQuery, map[string]any{"filter": map[string]any{"search": last.at("agent", "serial"), "entityIds": []any{last.at("entity", "id")}}})
	if found.at("deviceSlots", "nodes", 0, "id") != last.at("id") {
		t.Errorf("a serial finds %s", found.text)
	}
	first := answer{Data: nodes[0].(map[string]any)}
	found = w.must(token, slotsQuery, map[string]any{"filter": map[string]any{"search": first.at("user", "lastName")}})
	if found.at("deviceSlots", "nodes", 0, "id") != first.at("id") {
		t.Errorf("an invited person's name finds %s", found.text)
	}
	w.operator().person("alove", "Self-Service", "ACME") // whose address is another text than the user name
	made := w.invite(token, map[string]any{"email": "alove@mail.test"}).numberOf(0)
	found = w.must(token, slotsQuery, map[string]any{"filter": map[string]any{"search": "Love@mail"}})
	if slotOf(found, made) == nil || found.at("deviceSlots", "totalCount") != 1.0 {
		t.Errorf("an invited person's address finds %s", found.text)
	}
	if a := w.ask(token, slotsQuery, map[string]any{"filter": map[string]any{"userIds": []string{model.GlobalID("Agent", 1)}}}); a.code() != "BAD_USER_INPUT" {
		t.Errorf("another kind of id: %s", a.text)
	}
}

// Nobody sees slots without a sign-in, and who may read devices but no invitations sees devices alone.
func TestSlotsOfThoseWhoMayNotReadInvitations(t *testing.T) {
	w := newWorld(t)
	if a := w.ask("", slotsQuery, nil); a.code() != "UNAUTHENTICATED" {
		t.Errorf("nobody signed in: %s", a.text)
	}
	w.glpi.Grant("Super-Admin", map[string]glpi.Rights{"flyvemdm:invitation": 0})
	for _, node := range w.must(w.signIn("admin@acme.test"), slotsQuery, map[string]any{"first": 500}).at("deviceSlots", "nodes").([]any) {
		if node.(map[string]any)["agent"] == nil {
			t.Errorf("an invitation is shown: %v", node)
		}
	}
}
