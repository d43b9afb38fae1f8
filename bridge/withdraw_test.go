package bridge

import (
	"errors"
	"slices"
	"strings"
	"testing"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// withdrawsOldCommands: a phone that comes under an old name hears no wipe and no lock of an earlier life. What GLPI
// sees to, and what a phone that is there already would take for an order, stays.
func withdrawsOldCommands(t *testing.T, at broker) {
	b, events := listen(t, at)
	glpi := server(t, at)
	for _, c := range []struct {
		serial, slash string
		online        bool
		left          []string
	}{
		{"SN-1", "", false, []string{"Policy", "Unenroll"}},
		{"SN-2", "", true, []string{"Lock", "Policy", "Unenroll"}},
	} {
		root := "1/agent/" + c.serial
		phone := device(t, at, c.serial, nil)
		word := off
		if c.online {
			word = on
		}
		phone.say(t, root+"/Status/Online", word, false)
		nextOf(t, events, PresenceChanged)
		glpi.say(t, root+"/Policy/camera/Task/1", `{"camera":1}`, true)
		for command, payload := range map[string]string{"Wipe": `{"wipe":"now"}`, "Lock": `{"lock":"now"}`, "Unenroll": `{"unenroll":"now"}`} {
			glpi.say(t, root+"/Command/"+command, payload, true)
			nextOf(t, events, CommandSent)
		}
		if err := b.Withdraw(t.Context(), DeviceKey{1, c.serial}); err != nil {
			t.Fatal(err)
		}
		if heard := retainedOf(t, phone, glpi, root); !slices.Equal(heard, c.left) {
			t.Errorf("%s: left on the broker are %q, wanted %q", c.serial, heard, c.left)
		}
	}
}

// retainedOf are the words after a device's root of what a broker keeps for it, sorted.
func retainedOf(t *testing.T, phone, glpi *client, root string) []string {
	t.Helper()
	messages := make(chan mqtt.Message, 16)
	await(t, "listening", phone.Subscribe(root+"/#", 0, func(_ mqtt.Client, m mqtt.Message) { messages <- m }))
	glpi.say(t, root+"/Command/Ping", `{"query":"Ping"}`, false) // comes after what is kept
	var kept []string
	for m := range messages {
		levels := strings.Split(strings.TrimPrefix(m.Topic(), root+"/"), "/")
		switch {
		case m.Retained() && levels[0] == policySection:
			kept = append(kept, levels[0])
		case m.Retained():
			kept = append(kept, levels[1])
		case levels[1] == "Ping":
			slices.Sort(kept)
			return kept
		}
	}
	return nil
}

func TestNothingIsWithdrawnWithoutABroker(t *testing.T) {
	b, err := New(account("127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, serial := range []string{"SN-1", "a/#", ""} {
		if err := b.Withdraw(t.Context(), DeviceKey{1, serial}); !errors.Is(err, ErrNotSent) {
			t.Errorf("%q: got %v", serial, err)
		}
	}
}
