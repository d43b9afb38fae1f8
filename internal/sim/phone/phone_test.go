package phone_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"go.uber.org/goleak"

	"fleetgate/internal/sim/phone"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const topic = "1/agent/SER-1"

// scene is a phone with a broker and a GLPI that notes what it is told.
type scene struct {
	t       *testing.T
	backend mqtt.Client
	phone   *phone.Phone
	heard   chan string // "topic payload" of what phones say on the broker

	mu   sync.Mutex
	told []string // "METHOD path body" of what phones tell GLPI
}

func play(t *testing.T, broker string, generation phone.Generation) *scene {
	t.Helper()
	s := &scene{t: t, heard: make(chan string, 100)}
	glpi := httptest.NewServer(http.HandlerFunc(s.tell))
	t.Cleanup(glpi.Close)
	client := &http.Client{Timeout: 5 * time.Second}
	t.Cleanup(client.CloseIdleConnections)
	s.backend = mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + broker).SetProtocolVersion(4).
		SetUsername("backend").SetPassword("demo").SetAutoReconnect(false).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
			if strings.Contains(m.Topic(), "/Status/") {
				s.heard <- m.Topic() + " " + string(m.Payload())
			}
		}))
	s.must(s.backend.Connect())
	t.Cleanup(func() { s.backend.Disconnect(10) })
	s.must(s.backend.Subscribe("#", 0, nil))
	s.phone = phone.New(phone.Account{
		AgentID: 7, ComputerID: 8, Serial: "SER-1", Topic: topic, FleetTopic: "1/fleet/2", MQTTUsername: "SER-1", MQTTPassword: "x",
		APIToken: "secret-token", Generation: generation, Latitude: 48.85, Longitude: 2.35,
	}, phone.Options{MQTTURL: "mqtt://" + broker, GLPIURL: glpi.URL, HTTP: client})
	if err := s.phone.SwitchOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.phone.SwitchOff)
	return s
}

func (s *scene) must(token mqtt.Token) {
	s.t.Helper()
	if !token.WaitTimeout(5*time.Second) || token.Error() != nil {
		s.t.Fatalf("the broker: %v", token.Error())
	}
}

// tell is GLPI's end.
func (s *scene) tell(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.URL.Path == "/initSession":
		s.told = append(s.told, "session "+r.URL.Query().Get("user_token"))
		fmt.Fprint(w, `{"session_token":"abc"}`)
	case strings.HasPrefix(r.URL.Path, "/search/"):
		q := r.URL.Query()
		s.told = append(s.told, "SEARCH agent "+q.Get("criteria[0][value]")+" task "+q.Get("criteria[1][value]"))
		fmt.Fprint(w, `{"totalcount":1,"count":1,"data":[{"2":55}]}`)
	case r.Header.Get("Session-Token") != "abc":
		w.WriteHeader(http.StatusUnauthorized)
	default:
		s.told = append(s.told, r.Method+" "+r.URL.Path+" "+string(body))
	}
}

func (s *scene) command(suffix, payload string) {
	s.t.Helper()
	s.must(s.backend.Publish(topic+suffix, 0, false, payload))
}

// hears waits for a word on the broker that begins so.
func (s *scene) hears(beginning string) string {
	s.t.Helper()
	deadline := time.After(5 * time.Second)
	for {
		select {
		case heard := <-s.heard:
			if strings.HasPrefix(heard, topic+beginning) {
				return heard
			}
		case <-deadline:
			s.t.Fatalf("nobody said %s", beginning)
		}
	}
}

// isTold waits until GLPI was told something that holds a text.
func (s *scene) isTold(text string) {
	s.t.Helper()
	s.eventually("GLPI is told "+text, func() bool {
		return slices.ContainsFunc(s.answers(), func(told string) bool { return strings.Contains(told, text) })
	})
}

// answers are what GLPI was told so far.
func (s *scene) answers() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.told)
}

// applied says whether just these policies are applied.
func (s *scene) applied(symbols ...string) func() bool {
	return func() bool { return slices.Equal(s.phone.Policies(), symbols) }
}

func (s *scene) eventually(what string, holds func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("not in time: %s; GLPI was told %q", what, s.answers())
		}
	}
}

// silent makes sure that the phone has nothing more to say on the broker but what it is asked last.
func (s *scene) silent() {
	s.t.Helper()
	select {
	case heard := <-s.heard:
		s.t.Errorf("it said %s", heard)
	case <-time.After(100 * time.Millisecond):
	}
}

func TestGenerationAAnswersOverMQTT(t *testing.T) {
	onEachBroker(t, func(t *testing.T, broker string) {
		s := play(t, broker, phone.A)
		s.hears("/Status/Online {\"online\": true}")
		s.command("/Command/Ping", `{"query":"Ping"}`)
		s.hears("/Status/Ping !")
		s.command("/Command/Geolocate", `{"query":"Geolocate"}`)
		s.hears(`/Status/Geolocation {"latitude":48.850000,"longitude":2.350000,"datetime":"`)
		s.command("/Command/Inventory", `{"query":"Inventory"}`)
		s.hears("/Status/Inventory <?xml")
		s.command("/Policy/disableCamera/Task/12", `{"disableCamera":"true","taskId":12}`)
		s.hears(`/Status/Task/12 {"status":"received"}`)
		s.hears(`/Status/Task/12 {"status":"done"}`)
		s.command("/Command/Lock", `{"lock":"now"}`)
		s.eventually("it is locked", s.phone.Locked)
		s.command("/Command/Lock", `{"lock":"unlock"}`)
		s.eventually("it is unlocked", func() bool { return !s.phone.Locked() })
		s.command("/Command/Unenroll", `{"unenroll":"now"}`)
		s.hears(`/Status/Unenroll {"unenroll":"unenrolled"}`)
		s.eventually("it is gone", s.phone.Gone)
		if err := s.phone.SwitchOn(t.Context()); !errors.Is(err, phone.ErrGone) {
			t.Errorf("it came back: %v", err)
		}
		if told := s.answers(); len(told) > 0 {
			t.Errorf("GLPI was told %q", told)
		}
	})
}

// What clears a retained command, and what is not the command, is nothing to generation A.
func TestGenerationAReadsWhatIsSaid(t *testing.T) {
	onEachBroker(t, func(t *testing.T, broker string) {
		s := play(t, broker, phone.A)
		s.hears("/Status/Online")
		s.command("/Command/Lock", `{"lock":"now"}`)
		s.eventually("it is locked", s.phone.Locked)
		for _, word := range []string{"Ping", "Geolocate", "Inventory", "Lock", "Wipe", "Unenroll", "Subscribe"} {
			for _, payload := range []string{"", "null", "{}", "nonsense", `{"query":"Other","unenroll":"later","wipe":"later","subscribe":[]}`, `{"wipe":1}`} {
				s.command("/Command/"+word, payload)
			}
		}
		s.command("/Policy/disableCamera/Task/12", "")
		s.command("/Policy/disableCamera/Task/12", `{"disableWifi":"true","taskId":12}`)
		s.command("/Policy/disableCamera/Task/12", `{"disableCamera":"true"}`)
		s.silent()
		if !s.phone.Locked() || s.phone.Gone() {
			t.Errorf("locked %v, gone %v", s.phone.Locked(), s.phone.Gone())
		}
	})
}

func TestGenerationBAnswersOverHTTP(t *testing.T) {
	onEachBroker(t, func(t *testing.T, broker string) {
		s := play(t, broker, phone.B)
		s.isTold("session secret-token")
		s.isTold(`PUT /PluginFlyvemdmAgent/7 {"input":{"is_online":"1"}}`)
		s.command("/Command/Ping", `{"query":"Ping"}`)
		s.isTold(`PUT /PluginFlyvemdmAgent/7 {"input":{"_pong":"!"}}`)
		s.command("/Command/Geolocate", `{"query":"Geolocate"}`)
		s.isTold(`"latitude":"48.850000"`)
		s.isTold(`"computers_id":8`)
		s.command("/Command/Inventory", `{"query":"Inventory"}`)
		s.isTold(`"_inventory"`)
		s.command("/Policy/disableCamera/Task/12", `{"disableCamera":"true","taskId":"12"}`)
		s.isTold("SEARCH agent 7 task 12")
		s.isTold(`PUT /PluginFlyvemdmTaskstatus/55 {"input":{"status":"received"}}`)
		s.isTold(`PUT /PluginFlyvemdmTaskstatus/55 {"input":{"status":"done"}}`)
		s.command("/Command/Lock", `{"lock":"now"}`)
		s.eventually("it is locked", s.phone.Locked)
		s.silent()
		for _, told := range s.answers() {
			if strings.Contains(told, "killSession") {
				t.Error("it closed a session")
			}
		}
		s.phone.SwitchOff()
		if got := s.hears("/Status/Online"); got != topic+`/Status/Online { "online": false }` {
			t.Errorf("its last will is %q", got)
		}
	})
}

// An empty message, which clears a retained one, is a command to generation B: it unlocks, answers and leaves.
func TestGenerationBTakesAnEmptyMessageForACommand(t *testing.T) {
	onEachBroker(t, func(t *testing.T, broker string) {
		s := play(t, broker, phone.B)
		s.isTold("is_online")
		s.command("/Command/Lock", `{"lock":"now"}`)
		s.eventually("it is locked", s.phone.Locked)
		s.command("/Command/Lock", "")
		s.eventually("it is unlocked", func() bool { return !s.phone.Locked() })
		s.command("/Command/Wipe", "")
		s.command("/Command/Ping", "")
		s.isTold("_pong")
		s.command("/Policy/disableCamera/Task/12", `{"disableCamera":"true","taskId":12}`)
		s.eventually("the policy is applied", s.applied("disableCamera"))
		s.command("/Policy/disableCamera/Task/12", "")
		s.eventually("the policy is removed", s.applied())
		if s.phone.Gone() {
			t.Fatal("an empty wipe wiped it")
		}
		s.command("/Command/Unenroll", "")
		s.eventually("it is gone", s.phone.Gone)
		s.isTold(`{"input":{"is_online":"0"}}`)
	})
}

// Words are looked for in the whole topic, and "default" in the whole payload.
func TestWordsAreFoundWhereTheyAreNotMeant(t *testing.T) {
	broker := startEmbedded(t).Address()
	s := play(t, broker, phone.B)
	s.command("/Command/Lock", `{"lock":"now"}`)
	s.eventually("it is locked", s.phone.Locked)
	s.command("/Command/Lock", `{"lock":"default"}`)
	s.command("/Command/Unenroll", `{"unenroll":"by default"}`)
	s.command("/Policy/maximumTimeToLock/Task/3", `{"maximumTimeToLock":60,"taskId":3}`)
	s.eventually("a policy with Lock in its name unlocks it", func() bool { return !s.phone.Locked() })
	s.eventually("and is applied", s.applied("maximumTimeToLock"))
	s.command("/Policy/deployFile/Task/4", `{"deployFile":[{"deployFile":"/default/a.pdf"}],"taskId":4}`)
	s.command("/Policy/disableNfc/Task/5", `{"disableNfc":"true","taskId":5}`) // has no handler
	s.command("/Policy/deployApp/Task/6", `{"deployApp":[{"id":1}],"taskId":6}`)
	s.isTold(`{"status":"waiting"}`)
	s.eventually("the application is there", s.applied("deployApp", "maximumTimeToLock"))
	s.command("/Policy/maximumTimeToLock/Task/3", `{"maximumTimeToLock":"default","taskId":"3"}`)
	s.eventually("it is removed by its task", s.applied("deployApp"))
	for _, told := range s.answers() {
		if told == "SEARCH agent 7 task 4" || told == "SEARCH agent 7 task 5" {
			t.Errorf("it reported on what it did not do: %s", told)
		}
	}
	if s.phone.Gone() {
		t.Error("it left")
	}
	a := play(t, broker, phone.A)
	a.command("/Command/Lock", `{"lock":"now"}`)
	a.eventually("it is locked", a.phone.Locked)
	a.command("/Policy/maximumTimeToLock/Task/3", `{"maximumTimeToLock":60,"taskId":3}`)
	a.hears(`/Status/Task/3 {"status":"done"}`)
	if !a.phone.Locked() {
		t.Error("generation A is unlocked by a policy")
	}
}

func TestAWipedPhoneIsGone(t *testing.T) {
	onEachBroker(t, func(t *testing.T, broker string) {
		for _, generation := range []phone.Generation{phone.A, phone.B} {
			s := play(t, broker, generation)
			s.command("/Policy/disableWifi/Task/1", `{"disableWifi":"true","taskId":1}`)
			s.eventually("the policy is applied", s.applied("disableWifi"))
			s.command("/Command/Wipe", `{"wipe":"now"}`)
			s.eventually("it is gone", s.phone.Gone)
			if got := s.hears("/Status/Online { "); !strings.Contains(got, "false") {
				t.Errorf("%s: its last will is %q", generation, got)
			}
			if generation == phone.B {
				s.isTold(`{"input":{"is_online":"0"}}`)
			}
			if left := s.phone.Policies(); len(left) > 0 {
				t.Errorf("%s: it remembers %v", generation, left)
			}
			s.must(s.backend.Publish(topic+"/Status/Online", 0, true, "")) // for the next
		}
	})
}

func TestAPhoneFollowsItsFleet(t *testing.T) {
	onEachBroker(t, func(t *testing.T, broker string) {
		s := play(t, broker, phone.A)
		policy := func(fleet string) {
			s.must(s.backend.Publish(fleet+"/Policy/disableCamera/Task/1", 0, false, `{"disableCamera":"true","taskId":1}`))
		}
		policy("1/fleet/2")
		s.hears(`/Status/Task/1 {"status":"done"}`)
		s.command("/Command/Subscribe", `{"subscribe":[{"topic":"1/fleet/3"}]}`)
		s.command("/Command/Ping", `{"query":"Ping"}`)
		s.hears("/Status/Ping") // answered after the command before it
		policy("1/fleet/2")
		s.silent()
		policy("1/fleet/3")
		s.hears(`/Status/Task/1 {"status":"done"}`)
		s.command("/Command/Subscribe", `{"subscribe":[{"topic":null}]}`)
		s.command("/Command/Ping", `{"query":"Ping"}`)
		s.hears("/Status/Ping")
		policy("1/fleet/3")
		s.silent()
	})
}

// A phone that comes back finds what was retained for it, old commands too.
func TestWhatIsRetainedWaitsForThePhone(t *testing.T) {
	onEachBroker(t, func(t *testing.T, broker string) {
		s := play(t, broker, phone.A)
		s.phone.SwitchOff()
		s.hears(`/Status/Online { "online": false }`)
		if s.phone.On() {
			t.Error("it is still on")
		}
		s.must(s.backend.Publish(topic+"/Command/Lock", 0, true, `{"lock":"now"}`))
		s.must(s.backend.Publish("1/fleet/2/Policy/disableWifi/Task/9", 0, true, `{"disableWifi":"true","taskId":9}`))
		if err := s.phone.SwitchOn(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.eventually("it is locked", s.phone.Locked)
		s.hears(`/Status/Task/9 {"status":"done"}`)
	})
}

// The broker may cut a phone off, or not be there.
func TestAPhoneWithoutItsBroker(t *testing.T) {
	b := startEmbedded(t)
	s := play(t, b.Address(), phone.A)
	s.hears("/Status/Online")
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	s.eventually("it notices", func() bool { return !s.phone.On() })
	if err := s.phone.SwitchOn(t.Context()); err == nil || errors.Is(err, phone.ErrGone) {
		t.Errorf("got %v", err)
	}
	s.phone.SwitchOff()
}
