package signin

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/internal/sim/glpi"
)

// Whoever makes up sessions must neither push out the real ones, which would then go on for ever, nor have GLPI asked
// about thousands.
func TestMadeUpSessionsTakeNoPlaceFromRealOnes(t *testing.T) {
	server := httptest.NewServer(glpi.New(glpi.Options{}))
	t.Cleanup(server.Close)
	client, err := glpiproxy.New(glpiproxy.Options{URL: server.URL + "/glpi"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	real, err := client.SignIn(t.Context(), "glpi", "glpi")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := real.Scope(t.Context()); err != nil {
		t.Fatal(err)
	}
	v, now := newVisitors(), time.Now()
	v.note(real, now)
	for i := range mostVisitors + 1 {
		v.note(client.Resume(fmt.Sprint("madeup", i)), now)
	}
	known, first := v.since(now), 0
	for _, come := range known {
		if come.session.Token() == real.Token() {
			first++
		}
	}
	if first != 1 || len(known) != 1+mostStrangers {
		t.Errorf("%d visitors are remembered, the real one %d times", len(known), first)
	}
	late := client.Resume(fmt.Sprint("madeup", mostVisitors))
	v.identify(late.Token(), 7)
	if len(v.since(now)) != len(known) || v.strangers.Len() != mostStrangers-1 {
		t.Errorf("%d visitors after one was identified, %d strangers", len(v.since(now)), v.strangers.Len())
	}
}
