package bridge

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// A device that floods the broker is cut to its rate, also where it leaves Flyve MDM between messages, and no other pays
// for it. What it is told by others is not counted.
func TestADeviceThatFloods(t *testing.T) {
	for name, flood := range map[string]said{
		"positions": {{"Status/Geolocation", `{"latitude":1,"longitude":2}`}},
		"presence":  {{"Status/Online", `{"online":true}`}, {"Status/Online", `{"online":false}`}},
		"farewells": {{"Status/Online", `{"online":true}`}, {"Status/Unenroll", `{"unenroll":"unenrolled"}`}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTestRegistry(t, 100)
			r.paces = newPaces(10)
			say := func(topic, payload string, at time.Time) error {
				m, err := parseMessage(topic, []byte(payload), false, at, 1024)
				if err != nil {
					t.Fatal(err)
				}
				_, err = r.apply(m)
				return err
			}
			speak := func(seconds int, from time.Time) (taken int) {
				for i := range 1000 * seconds {
					line := flood[i%len(flood)]
					switch err := say(own+line[0], line[1], from.Add(time.Duration(i)*time.Millisecond)); {
					case err == nil:
						taken++
					case !errors.Is(err, refusedTooOften):
						t.Fatal(err)
					}
				}
				return taken
			}
			if taken := speak(10, noon); taken < 295 || taken > 305 {
				t.Errorf("%d messages were taken in ten seconds", taken)
			}
			if err := say(own+"Command/Ping", `{"query":"Ping"}`, noon.Add(10*time.Second)); err != nil {
				t.Errorf("a command to it: %v", err)
			}
			if err := say("1/agent/another/Status/Ping", "!", noon.Add(10*time.Second)); err != nil {
				t.Errorf("another device: %v", err)
			}
			r.grow(noon.Add(time.Minute))
			if len(r.paces.paid) != 0 {
				t.Errorf("%d are remembered", len(r.paces.paid))
			}
			if taken := speak(1, noon.Add(time.Minute)); taken < 200 {
				t.Errorf("a minute later %d messages were taken", taken)
			}
		})
	}
}

func TestNoRateIsNoLimit(t *testing.T) {
	p := newPaces(0)
	for i := range 10_000 {
		if !p.allow(DeviceKey{1, fmt.Sprint(i % 2)}, noon) {
			t.Fatal("refused")
		}
	}
}
