package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain lets the test be the servers that the command plays, as the command lets itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "-serve" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestQuickRun measures everything once at sizes that say nothing, so that the command works whenever it is wanted, and
// holds the report to have each section once, where the one of the last run was.
func TestQuickRun(t *testing.T) {
	if os.Getenv("FLEETGATE_REAL") == "" {
		t.Skip("needs Mosquitto and Node: set FLEETGATE_REAL=1")
	}
	for _, tool := range []string{mosquitto, "node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(t.TempDir(), "report.md")
	if err := os.WriteFile(out, []byte("# Kept\n\n<!-- bench: reads -->\nof the last run\n<!-- bench: end of reads -->\nkept too\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), true, "", out, ""); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	report := string(text)
	if !strings.HasPrefix(report, "# Kept\n\n<!-- bench: reads -->\n\n### Reads\n") || !strings.Contains(report, "kept too") || strings.Contains(report, "of the last run") {
		t.Errorf("the section is not where it was: %s", report)
	}
	for _, want := range []string{
		"### Fan-out\n", "### More subscribers\n", "### More documents\n", "### More devices\n", "### Reads\n", "| Mosquitto |", gatewayName + ", SSE |", bareName + " |",
		"| 40 | " + gatewayName + " |", "| 10 | " + mosquittoName + " |", "| 10 | " + yogaName + " |", "| 10 | " + gqlgenName + " |",
	} {
		if !strings.Contains(report, want) {
			t.Errorf("the report has no %q", want)
		}
	}
	if strings.Contains(report, "Goal:") {
		t.Error("it judges sizes that say nothing")
	}
	for _, picture := range []string{"fanout-cpu", "fanout-memory", "documents-cpu", "devices"} {
		if _, err := os.Stat(filepath.Join(filepath.Dir(out), "report", picture+".svg")); err != nil {
			t.Error(err)
		}
	}
}
