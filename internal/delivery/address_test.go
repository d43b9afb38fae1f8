package delivery_test

import (
	"net/http"
	"testing"

	"fleetgate/internal/delivery"
)

func TestWhatClientsAreCountedBy(t *testing.T) {
	for from, want := range map[string]string{
		"192.0.2.7:4711":                          "192.0.2.7",
		"[::ffff:192.0.2.7]:4711":                 "192.0.2.7",
		"[2001:db8:0:1:aaaa:bbbb:cccc:dddd]:4711": "2001:db8:0:1::/64",
		"[2001:db8:0:1::2]:4712":                  "2001:db8:0:1::/64",
		"[2001:db8:0:2::2]:4711":                  "2001:db8:0:2::/64",
		"[fe80::1%eth0]:4711":                     "fe80::/64",
		"[::1]:4711":                              "::1",
		"@":                                       "@", // a Unix socket
	} {
		if got := delivery.ClientAddress(&http.Request{RemoteAddr: from}); got != want {
			t.Errorf("%s: got %s, want %s", from, got, want)
		}
	}
}
