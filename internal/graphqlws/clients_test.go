package graphqlws_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"fleetgate/internal/graphqlws"
)

// TestClientLibraries runs the npm clients that dashboards use against the transport. Without node, npm or
// the network it is skipped, unless FLEETGATE_REAL=1 asks for the real thing.
func TestClientLibraries(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	folder := installClients(ctx, t)
	_, address := serve(t, graphqlws.Options{InitTimeout: time.Second, Init: letIn()})
	node := exec.CommandContext(ctx, "node", "client.mjs", address)
	node.Dir = folder
	var complaints bytes.Buffer
	node.Stderr = &complaints
	output, err := node.Output()
	if err != nil {
		t.Fatalf("running the clients: %v\n%s\n%s", err, output, &complaints)
	}

	want := map[string]string{
		"ended":        `[{"data":{"forever":1}},{"failed":{"code":4403,"reason":"session ended"}}]`,
		"restarted":    `[{"data":{"forever":1}},{"data":{"forever":1}}]`,
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
		"older: unsubscribed": `[{"data":{"forever":1}},{"data":{"hello":"world"}}]`,
		"older: at once": `[[{"data":{"hello":"world"}}],[{"data":{"count":1}},{"data":{"count":2}}],` +
			`[{"data":{"set":4}}]]`,
	}
	for _, protocol := range []string{modern, legacy} {
		for scenario, closed := range map[string]string{
			"nonsense":  `{"code":4400,"reason":"invalid message"}`,
			"too early": `{"code":4401,"reason":"unauthorized: send connection_init and wait for its answer"}`,
			"refused":   `{"code":4403,"reason":"the sign-in has expired"}`,
			"silent":    `{"code":4408,"reason":"connection initialisation timeout"}`,
			"same id":   `{"code":4409,"reason":"subscriber for a already exists"}`,
			"twice":     `{"code":4429,"reason":"too many initialisation requests"}`,
		} {
			want[protocol+": "+scenario] = closed
		}
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

// letIn is an Init by what the token says.
func letIn() func(context.Context, map[string]any) (context.Context, error) {
	var restarted atomic.Bool
	ending := func(ctx context.Context, why *graphqlws.CloseError) context.Context {
		ctx, cancel := context.WithCancelCause(ctx)
		time.AfterFunc(200*time.Millisecond, func() { cancel(why) })
		return ctx
	}
	return func(ctx context.Context, payload map[string]any) (context.Context, error) {
		switch payload["token"] {
		case "expired":
			return nil, &graphqlws.CloseError{Code: graphqlws.CloseForbidden, Reason: "the sign-in has expired"}
		case "ending":
			return ending(ctx, &graphqlws.CloseError{Code: graphqlws.CloseForbidden, Reason: "session ended"}), nil
		case "restarting":
			if !restarted.Swap(true) {
				return ending(ctx, &graphqlws.CloseError{Code: websocket.CloseServiceRestart, Reason: "restart"}), nil
			}
		}
		return ctx, nil
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
