package glpi

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// installedSystem are the ids that say what runs on a computer.
var installedSystem = regexp.MustCompile(`"operatingsystem(?:version)?s_id":(\d+)`)

// TestSeededDevicesBelongTogether looks at each device with the eyes of both companies' administrators: what belongs to
// a device is in its entity and readable there, and the other company sees none of it.
func TestSeededDevicesBelongTogether(t *testing.T) {
	s := newServer(t, Options{Broker: newLedger()})
	demo := s.SeedDemo(DemoOptions{Devices: 60, Seed: 3})
	acme, globex := signIn(t, s, "admin@acme.test", DemoPassword), signIn(t, s, "admin@globex.test", DemoPassword)
	globexEntity := entityNamed(t, s, "Globex")
	for _, d := range demo.Devices {
		own, other := acme, globex
		if d.EntityID == globexEntity {
			own, other = globex, acme
		}
		fleet := checkAccounts(t, s, d)
		for _, path := range []string{
			fmt.Sprintf("/PluginFlyvemdmAgent/%d", d.AgentID), fmt.Sprintf("/Computer/%d", d.ComputerID),
			fmt.Sprintf("/PluginFlyvemdmFleet/%d", fleet), fmt.Sprintf("/Entity/%d", d.EntityID),
		} {
			own.want("GET", path, "", 200, "")
			other.want("GET", path, "", 401, "")
		}
		system := own.want("GET", fmt.Sprintf("/Computer/%d/Item_OperatingSystem", d.ComputerID), "", 200, "").Body.String()
		ids := installedSystem.FindAllStringSubmatch(system, -1)
		if len(ids) != 2 || ids[0][1] == "0" || ids[1][1] == "0" {
			t.Errorf("computer %d has no system or no version of it: %s", d.ComputerID, system)
		}
	}
}

// checkAccounts looks at who owns a device and as whom it signs in; it returns the fleet it is in.
func checkAccounts(t *testing.T, s *Server, d DemoDevice) (fleet int) {
	t.Helper()
	tx := s.begin(nil)
	defer tx.end()
	agent := tx.Row("PluginFlyvemdmAgent", d.AgentID)
	machine := tx.Row("User", agent.Int("users_id"))
	if !strings.HasPrefix(machine.Str("name"), "flyvemdm-") || machine.Str("api_token") != d.APIToken {
		t.Errorf("agent %d signs in as %s", d.AgentID, machine.Str("name"))
	}
	owner := tx.Row("User", tx.Row("Computer", d.ComputerID).Int("users_id"))
	if owner == nil || owner.ID() == machine.ID() || owner.Int("entities_id") != d.EntityID {
		t.Errorf("computer %d is not of somebody on the staff of entity %d", d.ComputerID, d.EntityID)
	}
	row := tx.Row("PluginFlyvemdmFleet", agent.Int("plugin_flyvemdm_fleets_id"))
	if row.Int("entities_id") != d.EntityID {
		t.Errorf("agent %d of entity %d is in a fleet of entity %d", d.AgentID, d.EntityID, row.Int("entities_id"))
	}
	return row.ID()
}

func entityNamed(t *testing.T, s *Server, name string) int {
	t.Helper()
	tx := s.begin(nil)
	defer tx.end()
	row := tx.First("Entity", "name", name)
	if row == nil {
		t.Fatalf("no entity is called %s", name)
	}
	return row.ID()
}
