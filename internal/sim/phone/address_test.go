package phone

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAddress(t *testing.T) {
	for given, want := range map[string]string{
		"mqtt://broker.test":       "tcp://broker.test:1883",
		"mqtt://broker.test:1884":  "tcp://broker.test:1884",
		"tcp://[::1]":              "tcp://[::1]:1883",
		"mqtts://broker.test":      "ssl://broker.test:8883",
		"tls://broker.test:443":    "ssl://broker.test:443",
		"ws://broker.test":         "",
		"broker.test:1883":         "",
		"mqtt://u:secret@bro ker/": "",
		"":                         "",
	} {
		got, err := address(given)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v; want %q", given, got, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the password is in the error: %v", given, err)
		}
	}
}

// A phone does not talk to a broker whose certificate nobody vouches for.
func TestAPhoneChecksTheCertificate(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	p := New(Account{Serial: "SER-1"}, Options{MQTTURL: strings.Replace(server.URL, "https", "mqtts", 1)})
	if err := p.SwitchOn(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v", err)
	}
	if p.On() {
		t.Error("it is on")
	}
}
