package presence_test

import (
	"testing"
	"time"

	"fleetgate/bridge"
	"fleetgate/internal/presence"
)

func TestWeigh(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	online := func(at time.Time) bridge.Presence {
		return bridge.Presence{State: bridge.Online, Since: at, LastContact: at}
	}
	offline := func(at time.Time) bridge.Presence {
		return bridge.Presence{State: bridge.Offline, Since: at, LastContact: at}
	}
	will := func(at time.Time) bridge.Presence { return bridge.Presence{State: bridge.Offline, Since: at} }
	retainedOffline := bridge.Presence{State: bridge.Offline, Retained: true}
	retainedOnline := bridge.Presence{State: bridge.Online, Retained: true}

	for name, c := range map[string]struct {
		heard  bridge.Presence
		record presence.Record
		state  presence.State
		source presence.Source
	}{
		"never heard of": {bridge.Presence{}, presence.Record{}, presence.Unknown, presence.None},
		"GLPI's flag without a contact says nothing":  {bridge.Presence{}, presence.Record{Online: true}, presence.Unknown, presence.None},
		"the device says online":                      {online(ago(time.Minute)), presence.Record{}, presence.Online, presence.MQTT},
		"its will says offline":                       {offline(ago(time.Minute)), presence.Record{}, presence.Offline, presence.MQTT},
		"online, then silent for long":                {online(ago(time.Hour)), presence.Record{}, presence.Stale, presence.MQTT},
		"only GLPI knows: online":                     {bridge.Presence{}, presence.Record{Online: true, LastContact: ago(time.Minute)}, presence.Online, presence.GLPI},
		"only GLPI knows: offline":                    {bridge.Presence{}, presence.Record{LastContact: ago(time.Minute)}, presence.Offline, presence.GLPI},
		"only GLPI knows: online long ago":            {bridge.Presence{}, presence.Record{Online: true, LastContact: ago(time.Hour)}, presence.Stale, presence.GLPI},
		"an old retained will against a live phone":   {retainedOffline, presence.Record{Online: true, LastContact: ago(time.Minute)}, presence.Online, presence.GLPI},
		"a retained will and nothing else":            {retainedOffline, presence.Record{}, presence.Offline, presence.MQTT},
		"a retained online of unknown age is stale":   {retainedOnline, presence.Record{}, presence.Stale, presence.MQTT},
		"the will is newer than GLPI's contact":       {offline(ago(time.Minute)), presence.Record{Online: true, LastContact: ago(2 * time.Minute)}, presence.Offline, presence.MQTT},
		"a will of a device that never spoke":         {will(ago(time.Minute)), presence.Record{Online: true, LastContact: ago(2 * time.Minute)}, presence.Offline, presence.MQTT},
		"GLPI's contact is newer than the will":       {offline(ago(2 * time.Minute)), presence.Record{Online: true, LastContact: ago(time.Minute)}, presence.Online, presence.GLPI},
		"the device's word is newer than GLPI's flag": {online(ago(time.Second)), presence.Record{LastContact: ago(time.Minute)}, presence.Online, presence.MQTT},
	} {
		t.Run(name, func(t *testing.T) {
			got := presence.Weigh(c.heard, c.record, now, 15*time.Minute)
			if got.State != c.state || got.Source != c.source {
				t.Fatalf("got %s from %q, want %s from %q", got.State, got.Source, c.state, c.source)
			}
		})
	}
}
