package front_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"fleetgate/internal/front"
)

// Only trusted proxies tell where a request came from, and what a client writes into the header itself never counts.
func TestWhoIsBehindAProxy(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("192.0.2.1/32")}
	long := strings.Repeat("10.0.0.9, ", 5000) + "10.0.0.8"
	for name, c := range map[string]struct {
		trusted []netip.Prefix
		peer    string
		said    []string
		want    string
	}{
		"no proxies are trusted":       {nil, "10.0.0.1:1234", []string{"198.51.100.7"}, "10.0.0.1"},
		"a stranger says so":           {trusted, "203.0.113.5:1234", []string{"198.51.100.7"}, "203.0.113.5"},
		"a proxy says so":              {trusted, "10.0.0.1:1234", []string{"198.51.100.7"}, "198.51.100.7"},
		"a proxy says nothing":         {trusted, "10.0.0.1:1234", nil, "10.0.0.1"},
		"the client said so first":     {trusted, "10.0.0.1:1234", []string{"127.0.0.1, 198.51.100.7"}, "198.51.100.7"},
		"in a header of its own":       {trusted, "10.0.0.1:1234", []string{"127.0.0.1", "198.51.100.7"}, "198.51.100.7"},
		"the client says it is one":    {trusted, "10.0.0.1:1234", []string{"10.0.0.9, 198.51.100.7"}, "198.51.100.7"},
		"two proxies":                  {trusted, "10.0.0.1:1234", []string{"203.0.113.5, 198.51.100.7,192.0.2.1"}, "198.51.100.7"},
		"proxies only":                 {trusted, "10.0.0.1:1234", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"nonsense":                     {trusted, "10.0.0.1:1234", []string{"198.51.100.7, unknown"}, "10.0.0.1"},
		"nonsense before the client":   {trusted, "10.0.0.1:1234", []string{"\x00, 198.51.100.7"}, "198.51.100.7"},
		"an empty place":               {trusted, "10.0.0.1:1234", []string{"198.51.100.7,"}, "10.0.0.1"},
		"with a port":                  {trusted, "10.0.0.1:1234", []string{"198.51.100.7:5555"}, "198.51.100.7"},
		"a network of IPv6":            {trusted, "[fd00::1]:1234", []string{"2001:db8::7"}, "2001:db8::/64"},
		"IPv6 in brackets":             {trusted, "[fd00::1]:1234", []string{"[2001:db8::7]"}, "2001:db8::/64"},
		"IPv6 with a port":             {trusted, "[fd00::1]:1234", []string{"[2001:db8::7]:80"}, "2001:db8::/64"},
		"a proxy that speaks for IPv6": {trusted, "[::ffff:10.0.0.1]:1234", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		"more hops than there are":     {trusted, "10.0.0.1:1234", []string{long}, "10.0.0.9"},
	} {
		f, _ := newFront(t, func(o *front.Options) { o.TrustedProxies = c.trusted })
		request := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(`{"query":"{address}"}`))
		request.Header.Set("Content-Type", "application/json")
		request.RemoteAddr = c.peer
		request.Header["X-Forwarded-For"] = c.said
		recorder := httptest.NewRecorder()
		f.ServeHTTP(recorder, request)
		if got := text(t, recorder.Result()); got != `{"data":{"address":"`+c.want+`"}}` {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}
