package front_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestHTTPAudit runs the reference audit of GraphQL over HTTP. Without node, npm or the network it is
// skipped, unless FLEETGATE_REAL=1 asks for the real thing.
func TestHTTPAudit(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	giveUp := t.Skipf
	if os.Getenv("FLEETGATE_REAL") == "1" {
		giveUp = t.Fatalf
	}
	folder := filepath.Join("testdata", "audit")
	if _, err := os.Stat(filepath.Join(folder, "node_modules", "graphql-http")); err != nil {
		npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
		npm.Dir = folder
		if output, err := npm.CombinedOutput(); err != nil {
			giveUp("installing the audit: %v\n%s", err, output)
		}
	}
	if _, err := exec.LookPath("node"); err != nil {
		giveUp("node is not there: %v", err)
	}
	s := start(t, nil)
	node := exec.CommandContext(ctx, "node", "audit.mjs", "http://"+s.address+"/graphql")
	node.Dir = folder
	output, err := node.CombinedOutput()
	if err != nil || string(output) != "60 ok\n" {
		t.Errorf("%v\n%s", err, output)
	}
}
