package acceptance

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const clientsFolder = "testdata/clients"

// needClients installs the npm packages that dashboards are written with. Without node, npm or the network the test is
// skipped, unless the real servers are demanded.
func needClients(t *testing.T) {
	t.Helper()
	giveUp := t.Skipf
	if os.Getenv("FLEETGATE_REAL") != "" {
		giveUp = t.Fatalf
	}
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			giveUp("no %s here: install Debian's packages nodejs and npm", tool)
		}
	}
	if _, err := os.Stat(filepath.Join(clientsFolder, "node_modules", "graphql-sse")); err == nil {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = clientsFolder
	if output, err := npm.CombinedOutput(); err != nil {
		giveUp("npm ci: %v\n%s", err, output)
	}
}

// node runs a script of the clients' folder, there, and gives what it printed.
func node(t *testing.T, args ...string) string {
	t.Helper()
	return nodeIn(t, clientsFolder, args...)
}

func nodeIn(t *testing.T, folder string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "node", args...)
	command.Dir = folder
	var errors strings.Builder
	command.Stderr = &errors
	out, err := command.Output()
	if err != nil {
		t.Fatalf("node %v: %v\n%s%s", args, err, out, errors.String())
	}
	return string(out)
}

// A dashboard on Apollo Client signs in, walks through a list page by page, uploads a file, makes a mistake, listens, and
// is turned away when its token is wrong.
func TestApolloClient(t *testing.T) {
	needClients(t)
	demo := start(t, "ready", "demo", "--listen", "127.0.0.1:0", "--devices", "40", "--events-per-second", "40")
	var seen struct {
		Listed, Total int
		Upload        struct {
			File struct {
				Name string
				Size int
			}
			UserErrors []any
		}
		Mistake struct {
			Fleet      any
			UserErrors []struct {
				Code  string
				Field []string
			}
		}
		Event   struct{ Cursor, Kind, Serial string }
		Refused string
	}
	out := node(t, "apollo.mjs", demo.urls["graphql"], "admin@acme.test", "demo")
	if err := json.Unmarshal([]byte(out), &seen); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	if seen.Total < 10 || seen.Listed != seen.Total {
		t.Errorf("page by page it saw %d of %d devices", seen.Listed, seen.Total)
	}
	if seen.Upload.File.Name != "manual.pdf" || seen.Upload.File.Size != 40000 || len(seen.Upload.UserErrors) != 0 {
		t.Errorf("the upload: %+v", seen.Upload)
	}
	if m := seen.Mistake; m.Fleet != nil || len(m.UserErrors) != 1 || m.UserErrors[0].Code != "BAD_USER_INPUT" || len(m.UserErrors[0].Field) != 2 {
		t.Errorf("the mistake: %+v", m)
	}
	if seen.Event.Cursor == "" || seen.Event.Kind == "" || seen.Event.Serial == "" {
		t.Errorf("the event: %+v", seen.Event)
	}
	if seen.Refused != "UNAUTHENTICATED" {
		t.Errorf("a wrong token: %q", seen.Refused)
	}
}

// Relay's compiler accepts the schema, and a dashboard's components written against it: connections, refetchable
// fragments, a mutation and a subscription.
func TestRelayCompiler(t *testing.T) {
	needClients(t)
	sdl, _, code := once(t, nil, "schema")
	if code != 0 {
		t.Fatalf("schema: exit code %d", code)
	}
	project := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(project, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("schema.graphql", sdl)
	components, err := os.ReadFile(filepath.Join(clientsFolder, "relay", "Devices.js"))
	if err != nil {
		t.Fatal(err)
	}
	artifacts := filepath.Join(project, "artifacts")
	for _, folder := range []string{artifacts, filepath.Join(project, "src")} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write("src/Devices.js", string(components))
	write("relay.config.json", `{"src": "./src", "language": "javascript", "schema": "./schema.graphql", "artifactDirectory": "./artifacts"}`)
	compiler, err := filepath.Abs(filepath.Join(clientsFolder, "node_modules", "relay-compiler", "cli.js"))
	if err != nil {
		t.Fatal(err)
	}
	nodeIn(t, project, compiler, "relay.config.json")
	made, err := filepath.Glob(filepath.Join(artifacts, "*.graphql.js"))
	if err != nil || len(made) < 6 {
		t.Errorf("the compiler made %v, %v", made, err)
	}
}

// Nothing that a client of the released schema may use is taken away. After a release, released.graphql is that
// release's schema.graphql.
func TestTheSchemaBreaksNoClient(t *testing.T) {
	needClients(t)
	sdl, _, _ := once(t, nil, "schema")
	kept, err := os.ReadFile("../../graph/schema.graphql")
	if err != nil || string(kept) != sdl {
		t.Errorf("graph/schema.graphql is not what `fleetgate schema` prints (%v): run go generate .", err)
	}
	var found struct{ Breaking []string }
	out := node(t, "breaking.mjs", "../../../../graph/released.graphql", "../../../../graph/schema.graphql")
	if err := json.Unmarshal([]byte(out), &found); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	for _, change := range found.Breaking {
		t.Errorf("a breaking change: %s", change)
	}
}

// The check above can fail.
func TestABreakingChangeIsFound(t *testing.T) {
	needClients(t)
	text, err := os.ReadFile("../../graph/schema.graphql")
	if err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "broken.graphql")
	if err := os.WriteFile(broken, []byte(strings.Replace(string(text), "totalCount: Int!", "count: Int!", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := node(t, "breaking.mjs", "../../../../graph/schema.graphql", broken); !strings.Contains(out, "totalCount was removed") {
		t.Errorf("it was not found: %s", out)
	}
}
