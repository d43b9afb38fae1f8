package acceptance

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

const pageQuery = `query ($first: Int, $after: String) {
  agents(first: $first, after: $after) {
    totalCount
    pageInfo { hasNextPage endCursor }
    nodes { id databaseId name serial version mdmType enrollStatus
      entity { id name } fleet { id name } owner { displayName } computer { model manufacturer }
      presence { state since lastContact source } }
  }
}`

type agentsPage struct {
	Agents struct {
		TotalCount int
		PageInfo   struct {
			HasNextPage bool
			EndCursor   string
		}
		Nodes []struct {
			ID, Name, Serial string
			DatabaseID       int
			Entity, Fleet    struct{ ID, Name string }
			Owner            struct{ DisplayName string }
			Computer         struct{ Model, Manufacturer string }
			Presence         struct{ State, Source string }
		}
	}
}

func TestTheDemoFromOutside(t *testing.T) {
	demo := start(t, "ready", "demo", "--listen", "127.0.0.1:0", "--devices", "60", "--events-per-second", "40")
	for _, name := range []string{"dashboard", "graphql", "glpi", "mqtt"} {
		if demo.urls[name] == "" {
			t.Fatalf("no line %q was printed: %v", name, demo.urls)
		}
	}
	token := demo.signIn("admin@acme.test", "demo")

	t.Run("a page of devices with fleets and owners takes a handful of calls", func(t *testing.T) {
		demo := demo.under(t)
		before := demo.callsToGLPI()
		var page agentsPage
		demo.ask(token, pageQuery, map[string]any{"first": 50}).into(t, &page)
		if calls := demo.callsToGLPI() - before; calls > 10 {
			t.Errorf("%d calls to GLPI for one page, want at most 10", calls)
		}
		if page.Agents.TotalCount < 2 || len(page.Agents.Nodes) != min(50, page.Agents.TotalCount) {
			t.Fatalf("%d of %d devices", len(page.Agents.Nodes), page.Agents.TotalCount)
		}
		for _, agent := range page.Agents.Nodes {
			if agent.Serial == "" || agent.Fleet.Name == "" || agent.Owner.DisplayName == "" || agent.Computer.Model == "" || agent.Entity.Name == "" {
				t.Errorf("incomplete: %+v", agent)
			}
		}
	})

	t.Run("pages follow one another", func(t *testing.T) {
		demo := demo.under(t)
		seen := map[int]bool{}
		for after := any(nil); ; {
			var page agentsPage
			demo.ask(token, pageQuery, map[string]any{"first": 7, "after": after}).into(t, &page)
			for _, agent := range page.Agents.Nodes {
				if seen[agent.DatabaseID] {
					t.Fatalf("%d comes twice", agent.DatabaseID)
				}
				seen[agent.DatabaseID] = true
			}
			if !page.Agents.PageInfo.HasNextPage {
				if len(seen) != page.Agents.TotalCount {
					t.Fatalf("%d devices on all pages, %d in total", len(seen), page.Agents.TotalCount)
				}
				break
			}
			after = page.Agents.PageInfo.EndCursor
		}
	})

	for _, protocol := range []string{"graphql-transport-ws", "graphql-ws"} {
		t.Run("an event comes within 5 s over "+protocol, func(t *testing.T) {
			demo := demo.under(t)
			begun := time.Now()
			events := demo.subscribe(protocol, token,
				`subscription { deviceEvents { __typename cursor at kind serial entityId agent { id name } } }`, nil)
			var data struct {
				DeviceEvents struct{ Cursor, At, Kind, Serial string }
			}
			events.event(&data)
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("the first event took %s", took)
			}
			if data.DeviceEvents.Cursor == "" || data.DeviceEvents.Serial == "" {
				t.Errorf("incomplete: %+v", data)
			}
		})
	}

	t.Run("a ping through GLPI is seen with its round trip", func(t *testing.T) {
		demo := demo.under(t)
		events := demo.subscribe("graphql-transport-ws", token,
			`subscription { deviceEvents(filter: {kinds: [COMMAND_ANSWERED]}) { ... on CommandAnswered { serial roundTripMs command { name } } } }`, nil)
		var data struct {
			DeviceEvents struct {
				Serial      string
				RoundTripMs float64
				Command     struct{ Name string }
			}
		}
		session, err := demo.signInToGLPI("admin@acme.test", "demo")
		if err != nil || session == "" {
			t.Fatalf("signing in to GLPI itself: %v", err)
		}
		var page agentsPage
		demo.ask(token, pageQuery, map[string]any{"first": 12}).into(t, &page)
		for _, agent := range page.Agents.Nodes {
			go demo.pingThroughGLPI(session, []int{agent.DatabaseID})
		}
		events.event(&data)
		if got := data.DeviceEvents; got.RoundTripMs <= 0 || got.RoundTripMs > 5000 || got.Command.Name == "" {
			t.Errorf("got %+v", got)
		}
	})

	t.Run("a wrong password is a user error", func(t *testing.T) {
		demo := demo.under(t)
		var data struct {
			Login struct {
				Token      *string
				Viewer     any
				UserErrors []struct{ Code, Message string }
			}
		}
		demo.ask("", `mutation { login(input: {username: "admin@acme.test", password: "wrong"}) { token viewer { username } userErrors { code message } } }`, nil).into(t, &data)
		if data.Login.Token != nil || len(data.Login.UserErrors) != 1 || data.Login.UserErrors[0].Code != "UNAUTHENTICATED" {
			t.Fatalf("got %+v", data.Login)
		}
	})

	t.Run("without a sign-in nothing is told", func(t *testing.T) {
		demo := demo.under(t)
		for _, query := range []string{
			`{ viewer { username } }`, `{ agents { totalCount } }`, `{ fleets { totalCount } }`, `{ invitations { totalCount } }`,
			`{ policies { symbol } }`, `{ overview { agentCount } }`, `{ node(id: "QWdlbnQ6MQ") { id } }`, `{ nodes(ids: ["QWdlbnQ6MQ"]) { id } }`,
		} {
			for _, token := range []string{"", "not a token", "fg1.AAAA"} {
				if a := demo.ask(token, query, nil); a.code() != "UNAUTHENTICATED" {
					t.Errorf("%s with the token %q: %+v, data %s", query, token, a.Errors, a.Data)
				}
			}
		}
	})

	t.Run("a signed-out token is refused and its sockets are closed", func(t *testing.T) {
		demo := demo.under(t)
		mine := demo.signIn("admin@acme.test", "demo")
		events := demo.subscribe("graphql-transport-ws", mine, `subscription { deviceEvents { cursor } }`, nil)
		demo.ask(mine, `mutation { logout { ended } }`, nil).into(t, &struct{}{})
		if a := demo.ask(mine, `{ agents { totalCount } }`, nil); a.code() != "UNAUTHENTICATED" {
			t.Errorf("after logout: %+v, data %s", a.Errors, a.Data)
		}
		if code := events.closeCode(5 * time.Second); code != 4403 {
			t.Errorf("the socket was closed with %d, want 4403", code)
		}
	})

	t.Run("one company never sees another's", func(t *testing.T) {
		demo := demo.under(t)
		theirs := demo.signIn("admin@globex.test", "demo")
		var acme, globex agentsPage
		demo.ask(token, pageQuery, map[string]any{"first": 500}).into(t, &acme)
		demo.ask(theirs, pageQuery, map[string]any{"first": 500}).into(t, &globex)
		if acme.Agents.TotalCount+globex.Agents.TotalCount != 60 {
			t.Errorf("%d and %d devices, want 60 together", acme.Agents.TotalCount, globex.Agents.TotalCount)
		}
		victim := acme.Agents.Nodes[0]
		missing := demo.ask(theirs, `{ agent(id: "`+agentID(999999)+`") { name } }`, nil)
		for _, query := range []string{
			fmt.Sprintf(`{ agent(id: %q) { name } }`, victim.ID),
			fmt.Sprintf(`{ node(id: %q) { id } }`, victim.ID),
			fmt.Sprintf(`{ fleet(id: %q) { name } }`, victim.Fleet.ID),
			fmt.Sprintf(`{ node(id: %q) { id } }`, victim.Entity.ID),
		} {
			a := demo.ask(theirs, query, nil)
			if a.code() != "NOT_FOUND" || a.Errors[0].Message != missing.Errors[0].Message {
				t.Errorf("%s: %+v, data %s", query, a.Errors, a.Data)
			}
		}
		mine := map[string]bool{}
		for _, agent := range globex.Agents.Nodes {
			mine[agent.Serial] = true
		}
		events := demo.subscribe("graphql-transport-ws", theirs, `subscription { deviceEvents { serial } }`, nil)
		for range 20 {
			var data struct{ DeviceEvents struct{ Serial string } }
			if events.event(&data); !mine[data.DeviceEvents.Serial] {
				t.Fatalf("an event of another company's %s", data.DeviceEvents.Serial)
			}
		}
		wanted := demo.subscribe("graphql-transport-ws", theirs,
			fmt.Sprintf(`subscription { deviceEvents(filter: {entityIds: [%q]}) { serial } }`, victim.Entity.ID), nil)
		if f, err := wanted.tryRead(2 * time.Second); err == nil {
			t.Errorf("asked for another company's entity, got %s %s", f.Type, f.Payload)
		}
	})

	t.Run("health, metrics and pages", func(t *testing.T) {
		demo := demo.under(t)
		for _, path := range []string{"/healthz", "/readyz", "/", "/graphiql"} {
			if status, body := demo.get(path); status != 200 || body == "" {
				t.Errorf("%s: status %d, %d bytes", path, status, len(body))
			}
		}
		_, metrics := demo.get("/metrics")
		if !strings.Contains(metrics, `fleetgate_glpi_requests_total{`) {
			t.Error("/metrics does not count the calls to GLPI")
		}
		for _, secret := range []string{token, "demo", "admin@acme.test"} {
			if strings.Contains(metrics, secret) {
				t.Errorf("/metrics tells %q", secret)
			}
		}
	})

	t.Run("no log line tells a secret", func(t *testing.T) {
		log := demo.log.String()
		for _, secret := range []string{token, "api_token", "mqttpasswd", `"demo"`, "invitation_token"} {
			if strings.Contains(log, secret) {
				t.Errorf("the log tells %q", secret)
			}
		}
	})

	if err := demo.stop(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
}

func TestTheSameSeedGivesTheSameDevices(t *testing.T) {
	names := func() (all []string) {
		demo := start(t, "ready", "demo", "--listen", "127.0.0.1:0", "--devices", "20", "--events-per-second", "0", "--seed", "7")
		defer demo.kill()
		var page agentsPage
		demo.ask(demo.signIn("admin@acme.test", "demo"), pageQuery, map[string]any{"first": 50}).into(t, &page)
		for _, agent := range page.Agents.Nodes {
			all = append(all, agent.Name+" "+agent.Serial+" "+agent.Fleet.Name)
		}
		return all
	}
	if first, second := names(), names(); fmt.Sprint(first) != fmt.Sprint(second) {
		t.Errorf("two worlds from one seed:\n%v\n%v", first, second)
	}
}

func TestATokenExpiresAndItsSocketsWithIt(t *testing.T) {
	demo := start(t, "ready", "demo", "--listen", "127.0.0.1:0", "--devices", "2", "--events-per-second", "0", "--session-lifetime", "2s")
	token := demo.signIn("admin@acme.test", "demo")
	events := demo.subscribe("graphql-transport-ws", token, `subscription { deviceEvents { cursor } }`, nil)
	demo.ask(token, `{ agents { totalCount } }`, nil).into(t, &struct{}{})
	if code := events.closeCode(10 * time.Second); code != 4403 {
		t.Errorf("the socket was closed with %d, want 4403", code)
	}
	expired := demo.ask(token, `{ agents { totalCount } }`, nil)
	if expired.code() != "UNAUTHENTICATED" || !strings.Contains(expired.Errors[0].Message, "expired") {
		t.Errorf("an expired token: %+v, data %s", expired.Errors, expired.Data)
	}
}

func TestTheDemoOnARealBroker(t *testing.T) {
	needMosquitto(t)
	address := freeAddress(t)
	defer startMosquitto(t, address)()
	demo := start(t, "ready", "demo", "--listen", "127.0.0.1:0", "--devices", "20", "--events-per-second", "40",
		"--mqtt-url", "mqtt://"+address, "--mqtt-username", "phone", "--mqtt-password", "phone-sesame")
	if demo.urls["mqtt"] != "mqtt://"+address {
		t.Errorf("it says that its broker is %s", demo.urls["mqtt"])
	}
	events := demo.subscribe("graphql-transport-ws", demo.signIn("admin@acme.test", "demo"), `subscription { deviceEvents { serial agent { name } } }`, nil)
	for range 5 {
		var data struct {
			DeviceEvents struct {
				Serial string
				Agent  struct{ Name string }
			}
		}
		if events.event(&data); data.DeviceEvents.Agent.Name == "" {
			t.Errorf("an event of nobody: %+v", data)
		}
	}
}

// under is the same process for a subtest, so that its failures are the subtest's.
func (p *process) under(t *testing.T) *process {
	other := *p
	other.t = t
	return &other
}

var callCount = regexp.MustCompile(`(?m)^fleetgate_glpi_requests_total\{[^}]*\} (\d+)`)

// callsToGLPI is how many calls the gateway has made to GLPI.
func (p *process) callsToGLPI() (total int) {
	p.t.Helper()
	_, metrics := p.get("/metrics")
	for _, m := range callCount.FindAllStringSubmatch(metrics, -1) {
		var n int
		fmt.Sscan(m[1], &n)
		total += n
	}
	return total
}
