package glpiproxy_test

import (
	"testing"

	"fleetgate/glpiproxy"
)

// One computer of another company among a page's spoils GLPI's whole answer: the others are shown all the same.
func TestInventoriesOfAPageWithAForeignComputer(t *testing.T) {
	c := newCompany(t)
	var own []int
	for range 5 {
		own = append(own, c.add("Computer", map[string]any{"name": "phone", "serial": "S", "entities_id": c.acme}))
	}
	foreign := c.add("Computer", map[string]any{"name": "theirs", "serial": "T", "entities_id": c.globex})
	ada := c.signIn("ada@acme.test", "demo")
	for title, ids := range map[string][]int{"among others": append([]int{foreign, 987654}, own...), "alone": {foreign}, "none foreign": own} {
		got, err := glpiproxy.InventoriesOf(t.Context(), ada, ids, glpiproxy.Devices|glpiproxy.Disks)
		if err != nil {
			t.Fatalf("%s: %v", title, err)
		}
		want := len(ids)
		for _, id := range ids {
			if _, shown := got[id]; !shown {
				want--
			}
			if _, shown := got[id]; shown == (id == foreign || id == 987654) {
				t.Errorf("%s: computer %d shown: %t", title, id, shown)
			}
		}
		if len(got) != want {
			t.Errorf("%s: %d shown, want %d", title, len(got), want)
		}
	}
	if _, err := glpiproxy.InventoriesOf(t.Context(), ada, []int{0}, glpiproxy.Disks); glpiproxy.KindOf(err) != glpiproxy.Invalid {
		t.Errorf("the id 0: %v", err)
	}
}
