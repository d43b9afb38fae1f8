package phone_test

import (
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

	"fleetgate/internal/sim/broker"
	"fleetgate/internal/sim/phone"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const topic = "1/agent/SER-1"

// scene is a phone with a broker and a GLPI that notes what it is told.
type scene struct {
	t      *testing.T
	broker *broker.Broker
	phone  *phone.Phone
	heard  chan string // "topic payload" of what phones say on the broker

	mu   sync.Mutex
	told []string // "METHOD path body" of what phones tell GLPI
}

func play(t *testing.T, generation phone.Generation) *scene {
	t.Helper()
	s := &scene{t: t, heard: make(chan string, 100)}
	var err error
	if s.broker, err = broker.Start(broker.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.broker.Close() })
	s.broker.SetAccount("backend", "demo", broker.Access{Filter: "#", Read: true, Write: true})
	s.broker.SetAccount("SER-1", "x", broker.Access{Filter: topic + "/Status/#", Write: true}, broker.Access{Filter: topic + "/Command/#", Read: true},
		broker.Access{Filter: topic + "/Policy/#", Read: true}, broker.Access{Filter: "1/fleet/#", Read: true})
	glpi := httptest.NewServer(http.HandlerFunc(s.tell))
	t.Cleanup(glpi.Close)
	client := &http.Client{Timeout: 5 * time.Second}
	t.Cleanup(client.CloseIdleConnections)

	backend := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + s.broker.Address()).SetProtocolVersion(4).
		SetUsername("backend").SetPassword("demo").SetAutoReconnect(false).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
			if strings.Contains(m.Topic(), "/Status/") {
				s.heard <- m.Topic() + " " + string(m.Payload())
			}
		}))
	if token := backend.Connect(); !token.WaitTimeout(5*time.Second) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	t.Cleanup(func() { backend.Disconnect(10) })
	if token := backend.Subscribe("#", 0, nil); !token.WaitTimeout(5*time.Second) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	s.phone = phone.New(phone.Account{
		AgentID: 7, ComputerID: 8, Serial: "SER-1", Topic: topic, FleetTopic: "1/fleet/2", MQTTUsername: "SER-1", MQTTPassword: "x",
		APIToken: "secret-token", Generation: generation, Latitude: 48.85, Longitude: 2.35,
	}, phone.Options{MQTTURL: s.broker.URL(), GLPIURL: glpi.URL, HTTP: client})
	if err := s.phone.SwitchOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.phone.SwitchOff)
	return s
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
		fmt.Fprint(w, `{"totalcount":1,"count":1,"data":[{"2":55}]}`)
	case r.Header.Get("Session-Token") != "abc":
		w.WriteHeader(http.StatusUnauthorized)
	default:
		s.told = append(s.told, r.Method+" "+r.URL.Path+" "+string(body))
	}
}

func (s *scene) command(suffix, payload string) {
	s.t.Helper()
	if err := s.broker.Publish(topic+suffix, []byte(payload), false); err != nil {
		s.t.Fatal(err)
	}
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
		s.mu.Lock()
		defer s.mu.Unlock()
		return slices.ContainsFunc(s.told, func(told string) bool { return strings.Contains(told, text) })
	})
}

func (s *scene) eventually(what string, holds func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("not in time: %s; GLPI was told %q", what, s.told)
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
	s := play(t, phone.A)
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
	s.command("/Command/Unenroll", "") // what clears a retained message is nothing to it
	s.command("/Policy/disableCamera/Task/12", `{"disableCamera":"default","taskId":"12"}`)
	s.silent()
	s.command("/Command/Unenroll", `{"unenroll":"now"}`)
	s.hears(`/Status/Unenroll {"unenroll":"unenrolled"}`)
	s.eventually("it is gone", s.phone.Gone)
	if err := s.phone.SwitchOn(t.Context()); err == nil {
		t.Error("it came back")
	}
	if len(s.told) > 0 {
		t.Errorf("GLPI was told %q", s.told)
	}
}

func TestGenerationBAnswersOverHTTP(t *testing.T) {
	s := play(t, phone.B)
	s.isTold("session secret-token")
	s.isTold(`PUT /PluginFlyvemdmAgent/7 {"input":{"is_online":"1"}}`)
	s.command("/Command/Ping", `{"query":"Ping"}`)
	s.isTold(`PUT /PluginFlyvemdmAgent/7 {"input":{"_pong":"!"}}`)
	s.command("/Command/Geolocate", `{"query":"Geolocate"}`)
	s.isTold(`"latitude":"48.850000"`)
	s.isTold(`"computers_id":8`)
	s.command("/Command/Inventory", `{"query":"Inventory"}`)
	s.isTold(`"_inventory"`)
	s.command("/Policy/disableCamera/Task/12", `{"disableCamera":"true","taskId":12}`)
	s.isTold(`PUT /PluginFlyvemdmTaskstatus/55 {"input":{"status":"received"}}`)
	s.isTold(`PUT /PluginFlyvemdmTaskstatus/55 {"input":{"status":"done"}}`)
	s.command("/Command/Lock", `{"lock":"now"}`)
	s.eventually("it is locked", s.phone.Locked)
	s.silent()
	s.phone.SwitchOff()
	if got := s.hears("/Status/Online"); !strings.Contains(got, "false") {
		t.Errorf("its last will is %q", got)
	}
}

// An empty message, which clears a retained one, is a command to generation B: it unlocks, answers and leaves.
func TestGenerationBTakesAnEmptyMessageForACommand(t *testing.T) {
	s := play(t, phone.B)
	s.isTold("is_online")
	s.command("/Command/Lock", `{"lock":"now"}`)
	s.eventually("it is locked", s.phone.Locked)
	s.command("/Command/Lock", "")
	s.eventually("it is unlocked", func() bool { return !s.phone.Locked() })
	s.command("/Command/Wipe", "")
	s.command("/Command/Ping", "")
	s.isTold("_pong")
	if s.phone.Gone() {
		t.Fatal("an empty wipe wiped it")
	}
	s.command("/Command/Unenroll", "")
	s.eventually("it is gone", s.phone.Gone)
	s.isTold(`{"input":{"is_online":"0"}}`)
}

func TestAWipedPhoneIsGone(t *testing.T) {
	for _, generation := range []phone.Generation{phone.A, phone.B} {
		s := play(t, generation)
		s.command("/Command/Wipe", `{"wipe":"now"}`)
		s.eventually("it is gone", s.phone.Gone)
		if got := s.hears("/Status/Online { "); !strings.Contains(got, "false") {
			t.Errorf("%s: its last will is %q", generation, got)
		}
		if generation == phone.B {
			s.isTold(`{"input":{"is_online":"0"}}`)
		}
	}
}

func TestAPhoneFollowsItsFleet(t *testing.T) {
	s := play(t, phone.A)
	publish := func(fleet string) {
		if err := s.broker.Publish(fleet+"/Policy/disableCamera/Task/1", []byte(`{"disableCamera":"true","taskId":1}`), false); err != nil {
			t.Fatal(err)
		}
	}
	publish("1/fleet/2")
	s.hears("/Status/Task/1")
	s.command("/Command/Subscribe", `{"subscribe":[{"topic":"1/fleet/3"}]}`)
	s.command("/Command/Ping", `{"query":"Ping"}`)
	s.hears("/Status/Ping") // answered after the command before it
	publish("1/fleet/2")
	s.silent()
	publish("1/fleet/3")
	s.hears("/Status/Task/1")
}
