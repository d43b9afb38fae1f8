package dangerzone_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/internal/dangerzone"
	"fleetgate/internal/sim/glpi"
)

// says publishes a device's word on its presence, or that of its last will.
func (r *rig) says(d glpi.DemoDevice, online, retained bool) {
	r.t.Helper()
	if err := r.medium.b.Publish(d.Topic+"/Status/Online", fmt.Appendf(nil, `{"online":%t}`, online), retained); err != nil {
		r.t.Fatal(err)
	}
}

// there is when a device was there last to take the command.
func (r *rig) there(d *replica, id int) time.Time {
	r.t.Helper()
	op, err := d.Operation(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return op.Targets[0].ThereAt
}

// setAgent writes a column of an agent, as an administrator does in GLPI.
func (r *rig) setAgent(s *glpiproxy.Session, d glpi.DemoDevice, column, value string) {
	r.t.Helper()
	body := strings.NewReader(fmt.Sprintf(`{"input":{%q:%q}}`, column, value))
	request := httptest.NewRequest(http.MethodPut, fmt.Sprintf("/apirest.php/PluginFlyvemdmAgent/%d", d.AgentID), body)
	request.Header.Set("Session-Token", s.Token())
	request.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	if r.glpi.ServeHTTP(answer, request); answer.Code != http.StatusOK {
		r.t.Fatalf("%d %s", answer.Code, answer.Body)
	}
}

// A last will that the broker has kept from some time before is heard when the gateway is back. It may be of before the
// command, and is no evidence.
func TestAWordOfUnknownAgeIsNoEvidence(t *testing.T) {
	r := newRig(t, 20)
	d, s := r.start(nil), r.signIn()
	id := r.begin(d, s, dangerzone.Wipe, r.devs[0])
	r.reaches(d, id, dangerzone.Dispatched, 1)
	d.end()
	r.says(r.devs[0], false, true)
	next := r.start(nil)
	r.comesTrue("the old word is heard", func() bool {
		device, _ := next.bridge.Device(r.enrolled()[0].Device)
		return device.Presence.State == "OFFLINE"
	})
	r.look()
	r.reaches(next, id, dangerzone.Dispatched, 1)
}

// A device that heard the command and stayed has not obeyed: that it goes away long after says nothing. When it comes back
// it hears the command again.
func TestADeviceThatStaysHasNotObeyed(t *testing.T) {
	r := newRig(t, 20)
	d, s := r.start(nil), r.signIn()
	r.says(r.devs[0], true, false)
	r.comesTrue("it is online", func() bool {
		device, _ := d.bridge.Device(r.enrolled()[0].Device)
		return device.Presence.State == "ONLINE"
	})
	id := r.begin(d, s, dangerzone.Wipe, r.devs[0])
	r.reaches(d, id, dangerzone.Dispatched, 1)
	began := r.there(d, id)
	if began.IsZero() {
		t.Fatal("it was not there")
	}
	r.pass(10 * time.Minute)
	r.says(r.devs[0], false, false)
	r.comesTrue("it has gone", func() bool { return r.there(d, id).Sub(began) >= 10*time.Minute })
	r.look()
	r.reaches(d, id, dangerzone.Dispatched, 1)
	left := r.there(d, id)
	r.says(r.devs[0], true, false)
	r.comesTrue("it is back", func() bool { return r.there(d, id).After(left) })
	r.says(r.devs[0], false, false)
	r.comesTrue("it has gone again", func() bool {
		op, _ := d.Operation(t.Context(), id)
		return !op.Targets[0].OfflineAt.IsZero()
	})
	r.pass(time.Minute)
	r.reaches(d, id, dangerzone.Completed, 1)
}

// The agent's row is gone: that ends a wipe as done where the device was there to take the command, and as one of which
// nobody knows where it was not.
func TestTheRowOfADeviceThatIsToBeWipedIsGone(t *testing.T) {
	for title, c := range map[string]struct {
		online, apple, lost bool
		want                dangerzone.State
		words               string
	}{
		"it was there":                  {online: true, want: dangerzone.Completed, words: "after the device was there to take the command"},
		"it was not there":              {want: dangerzone.Expired, words: "was not there to hear the command"},
		"the broker never had it":       {online: true, lost: true, want: dangerzone.Expired, words: "before the command was seen on the broker"},
		"its platform ignores commands": {online: true, apple: true, want: dangerzone.Expired, words: "iOS ignores"},
	} {
		t.Run(title, func(t *testing.T) {
			r := newRig(t, 20)
			d, s := r.start(nil), r.signIn()
			if c.apple {
				r.setAgent(s, r.devs[0], "mdm_type", "apple")
			}
			if c.online {
				r.says(r.devs[0], true, false)
				r.comesTrue("it is online", func() bool {
					device, _ := d.bridge.Device(r.enrolled()[0].Device)
					return device.Presence.State == "ONLINE"
				})
			}
			r.medium.goAway(c.lost)
			id := r.begin(d, s, dangerzone.Wipe, r.devs[0])
			if c.lost {
				r.comesTrue("GLPI has said yes", func() bool { return r.row(s, r.devs[0]).Wipe })
			} else {
				r.reaches(d, id, dangerzone.Dispatched, 1)
			}
			if _, err := glpiproxy.DeleteMany[glpiproxy.Agent](t.Context(), s, []int{r.devs[0].AgentID}); err != nil {
				t.Fatal(err)
			}
			r.pass(30 * time.Second)
			if op := r.reaches(d, id, c.want, 1); !strings.Contains(op.Targets[0].Message, c.words) {
				t.Errorf("got %q", op.Targets[0].Message)
			}
		})
	}
}

// A phone whose agent ignores the command goes offline as phones do: that is no wipe.
func TestADeviceThatIgnoresAWipeIsNotWiped(t *testing.T) {
	r := newRig(t, 20)
	d, s := r.start(nil), r.signIn()
	r.setAgent(s, r.devs[0], "mdm_type", "apple")
	r.says(r.devs[0], true, false)
	id := r.begin(d, s, dangerzone.Wipe, r.devs[0])
	r.reaches(d, id, dangerzone.Dispatched, 1)
	r.says(r.devs[0], false, false)
	r.comesTrue("it has gone", func() bool {
		device, _ := d.bridge.Device(r.enrolled()[0].Device)
		return device.Presence.State == "OFFLINE"
	})
	r.look()
	r.reaches(d, id, dangerzone.Dispatched, 1)
	r.pass(8 * 24 * time.Hour)
	if op := r.reaches(d, id, dangerzone.Expired, 1); !strings.Contains(op.Targets[0].Message, "iOS ignores") {
		t.Errorf("got %q", op.Targets[0].Message)
	}
}

// Devices that never answer are waited for, and then it is said so.
func TestADeviceThatNeverAnswersExpires(t *testing.T) {
	r := newRig(t, 20)
	d, s := r.start(nil), r.signIn()
	wipe, leave := r.begin(d, s, dangerzone.Wipe, r.devs[0]), r.begin(d, s, dangerzone.Unenroll, r.devs[1])
	r.reaches(d, wipe, dangerzone.Dispatched, 1)
	r.reaches(d, leave, dangerzone.Dispatched, 1)
	r.pass(6 * 24 * time.Hour)
	r.pass(25 * time.Hour)
	if op := r.reaches(d, wipe, dangerzone.Expired, 1); !strings.Contains(op.Targets[0].Message, "CANCEL_WIPE takes it back") {
		t.Errorf("got %q", op.Targets[0].Message)
	}
	if op := r.reaches(d, leave, dangerzone.Expired, 1); !strings.Contains(op.Targets[0].Message, "never confirmed") {
		t.Errorf("got %q", op.Targets[0].Message)
	}
}

// An unenrolment that is never confirmed is settled when the device fell silent at the command, and says so.
func TestADeviceThatFallsSilentHasLeft(t *testing.T) {
	r := newRig(t, 20)
	d, s := r.start(nil), r.signIn()
	device := r.devs[0]
	say := func(word string) {
		if err := r.medium.b.Publish(device.Topic+"/Status/Online", []byte(`{"online":`+word+`}`), false); err != nil {
			t.Fatal(err)
		}
	}
	say("true")
	id := r.begin(d, s, dangerzone.Unenroll, device)
	r.reaches(d, id, dangerzone.Dispatched, 1)
	say("false")
	isAway := func(away bool) func() bool {
		return func() bool {
			op, _ := d.Operation(t.Context(), id)
			return op.Targets[0].OfflineAt.IsZero() != away
		}
	}
	r.comesTrue("it is offline", isAway(true))
	r.pass(time.Minute) // it comes back: it had merely lost its connection
	say("true")
	r.comesTrue("it is online", isAway(false))
	r.pass(time.Hour)
	say("false")
	r.comesTrue("it is offline again", isAway(true))
	r.reaches(d, id, dangerzone.Dispatched, 1)
	r.pass(3 * time.Minute)
	op := r.reaches(d, id, dangerzone.Completed, 1)
	if !strings.Contains(op.Targets[0].Message, "did not confirm") {
		t.Errorf("got %q", op.Targets[0].Message)
	}
	r.comesTrue("the broker keeps nothing of it", func() bool { return len(r.kept(d, device)) == 0 })
}
