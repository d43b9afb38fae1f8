package settings_test

import (
	"testing"
	"time"

	"fleetgate/internal/settings"
)

func TestQuietHours(t *testing.T) {
	for _, c := range []struct {
		text, at string // UTC
		quiet    bool
	}{
		{"22:00-06:00 Europe/Paris", "2026-01-10T20:59:59Z", false}, // 21:59 there
		{"22:00-06:00 Europe/Paris", "2026-01-10T21:00:00Z", true},
		{"22:00-06:00 Europe/Paris", "2026-01-11T04:59:59Z", true},
		{"22:00-06:00 Europe/Paris", "2026-01-11T05:00:00Z", false},
		{"22:00-06:00 Europe/Paris", "2026-07-10T20:00:00Z", true}, // summer time
		{"22:00-06:00 Europe/Paris", "2026-07-11T04:30:00Z", false},
		{"12:00-13:30", "2026-01-10T12:00:00Z", true},
		{"12:00-13:30", "2026-01-10T13:30:00Z", false},
		{"12:00-13:30 UTC", "2026-01-10T11:59:00Z", false},
		{"  00:00-23:59  Asia/Tokyo ", "2026-01-10T14:58:00Z", true},
	} {
		hours, err := settings.ParseQuietHours(c.text)
		if err != nil {
			t.Fatalf("%s: %v", c.text, err)
		}
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if hours.Contains(at) != c.quiet {
			t.Errorf("%s at %s: quiet is %v", hours, c.at, !c.quiet)
		}
	}
	if hours, err := settings.ParseQuietHours(""); hours != nil || err != nil {
		t.Errorf("no hours: %v, %v", hours, err)
	}
	for _, text := range []string{"night", "22:00", "22:00-", "22-6", "25:00-06:00", "22:00-06:60", "08:00-08:00", "22:00-06:00 Mars/Olympus", "22:00-06:00 Local", "22:00 - 06:00"} {
		if hours, err := settings.ParseQuietHours(text); err == nil {
			t.Errorf("%q was read as %s", text, hours)
		}
	}
}
