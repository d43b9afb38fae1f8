package graph_test

import (
	"fmt"
	"sync"
	"testing"

	"fleetgate/internal/settings"
	"fleetgate/internal/store/redistest"
)

// Two phones with one invitation for two come to two replicas at once: both enrol, one after the other, and each is told
// of once, on both. Two people who claim one serial at once don't both get it.
func TestEnrollingOnTwoReplicasAtOnce(t *testing.T) {
	url := "redis://" + redistest.Start(t) + "/0"
	w := newPhoneShop(t, func(w *world, s *settings.Gateway) {
		withService(w, s)
		s.RedisURL = url
	})
	one := w.url
	w.serve()
	two := w.url
	at := func(url string) *world { // the same world, by another door
		return &world{t: t, url: url, rest: w.rest, glpi: w.glpi, demo: w.demo, broker: w.broker, log: w.log, chosen: w.chosen}
	}
	token := w.signIn("admin@acme.test")
	invited := w.invite(token, map[string]any{"email": "tom@acme.test", "slots": 2}).at("results", 0, "invitation").(map[string]any)
	after := map[string]any{"after": w.invitationCursor(token, invited["id"])}
	here, there := at(one).subscribe(token, invitationEvents, after), at(two).subscribe(token, invitationEvents, after)

	both := func(application func(i int) map[string]any) [2]answer {
		var answers [2]answer
		var phones sync.WaitGroup
		for i, url := range []string{one, two} {
			phones.Go(func() { answers[i] = at(url).ask("", enrollQuery, application(i)) })
		}
		phones.Wait()
		return answers
	}
	link := w.linkMailed("tom@acme.test")
	agents := map[any]bool{}
	for _, a := range both(func(i int) map[string]any { return application(link, "tom@acme.test", fmt.Sprint("SN-", i), nil) }) {
		if a.at("enroll", "agent") == nil {
			t.Fatalf("not enrolled: %s", a.text)
		}
		agents[a.at("enroll", "agent", "agentId")] = true
	}
	last := w.invite(token, map[string]any{"email": "last@acme.test"}).at("results", 0, "invitation", "id")
	for name, next := range map[string]func() (string, answer){"here": here, "there": there} {
		told := map[any]bool{}
		for range agents {
			a := w.hears(next)
			if a.at("invitationEvents", "kind") != "ENROLLED" || a.at("invitationEvents", "invitationId") != invited["id"] {
				t.Fatalf("%s: got %s", name, a.text)
			}
			told[a.at("invitationEvents", "agent", "id")] = true
		}
		if fmt.Sprint(told) != fmt.Sprint(agents) {
			t.Errorf("%s: told of %v, not %v", name, told, agents)
		}
		if a := w.hears(next); a.at("invitationEvents", "kind") != "CREATED" || a.at("invitationEvents", "invitationId") != last {
			t.Errorf("%s: more was told: %s", name, a.text)
		}
	}

	links := [2]string{}
	for i := range links {
		_, links[i] = w.invited(fmt.Sprintf("rival%d@acme.test", i))
	}
	won := 0
	for _, a := range both(func(i int) map[string]any {
		return application(links[i], fmt.Sprintf("rival%d@acme.test", i), "SN-RIVALS", nil)
	}) {
		switch {
		case a.at("enroll", "agent") != nil:
			won++
		case a.at("enroll", "userErrors", 0, "code") != "DEVICE_TAKEN":
			t.Errorf("got %s", a.text)
		}
	}
	if won != 1 {
		t.Errorf("%d of two people got one device", won)
	}
}
