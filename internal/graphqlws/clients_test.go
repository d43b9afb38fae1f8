package graphqlws_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"fleetgate/internal/graphqlws"
)

// TestClientLibraries runs the npm clients that dashboards use against the transport. Without node, npm or
// the network it is skipped, unless FLEETGATE_REAL=1 asks for the real thing.
func TestClientLibraries(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	folder := installClients(ctx, t)
	_, address := serve(t, graphqlws.Options{
		Init: func(ctx context.Context, payload map[string]any) (context.Context, error) {
			if payload["token"] == "expired" {
				return nil, &graphqlws.CloseError{Code: graphqlws.CloseForbidden, Reason: "the sign-in has expired"}
			}
			return ctx, nil
		},
	})
	node := exec.CommandContext(ctx, "node", "client.mjs", address)
	node.Dir = folder
	var complaints bytes.Buffer
	node.Stderr = &complaints
	output, err := node.Output()
	if err != nil {
		t.Fatalf("running the clients: %v\n%s\n%s", err, output, &complaints)
	}

	want := map[string]string{
		"query":        `[{"data":{"hello":"world"}}]`,
		"mutation":     `[{"data":{"set":3}}]`,
		"subscription": `[{"data":{"count":1}},{"data":{"count":2}},{"data":{"count":3}}]`,
		"unsubscribed": `[{"data":{"forever":1}}]`,
		"invalid":      `[{"failed":["Cannot query field \"hallo\" on type \"Query\". Did you mean \"hello\"?"]}]`,
		"breaks":       `[{"data":{"breaks":1}},{"failed":["the source broke"]}]`,
		"at once": `[[{"data":{"hello":"world"}}],[{"data":{"count":1}},{"data":{"count":2}}],` +
			`[{"data":{"set":4}}]]`,
		"refused":             `[{"failed":{"code":4403,"reason":"the sign-in has expired"}}]`,
		"pong":                `true`,
		"older: query":        `[{"data":{"hello":"world"}}]`,
		"older: subscription": `[{"data":{"count":1}},{"data":{"count":2}}]`,
		"older: invalid":      `[{"failed":"Cannot query field \"hallo\" on type \"Query\". Did you mean \"hello\"?"}]`,
		"older: refused":      `{"message":"the sign-in has expired"}`,
	}
	lines := bufio.NewScanner(bytes.NewReader(output))
	for lines.Scan() {
		var line struct {
			Scenario string
			Result   json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%v in %s", err, lines.Text())
		}
		if string(line.Result) != want[line.Scenario] {
			t.Errorf("%s:\n got %s\nwant %s", line.Scenario, line.Result, want[line.Scenario])
		}
		delete(want, line.Scenario)
	}
	for scenario := range want {
		t.Errorf("%s: not reported", scenario)
	}
}

// installClients makes sure that the npm packages are there and returns the folder of the script.
func installClients(ctx context.Context, t *testing.T) string {
	t.Helper()
	giveUp := t.Skipf
	if os.Getenv("FLEETGATE_REAL") == "1" {
		giveUp = t.Fatalf
	}
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			giveUp("%s is not there: %v", tool, err)
		}
	}
	folder := filepath.Join("testdata", "client")
	if _, err := os.Stat(filepath.Join(folder, "node_modules", "ws")); err == nil {
		return folder
	}
	npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = folder
	if output, err := npm.CombinedOutput(); err != nil {
		giveUp("installing the clients: %v\n%s", err, output)
	}
	return folder
}
