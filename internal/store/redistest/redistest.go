// Package redistest runs a real Redis for a test.
package redistest

import (
	"net"
	"os"
	"os/exec"
	"testing"
	"time"
)

// patience is how long Redis may take to listen.
const patience = 10 * time.Second

// Start runs a Redis of the test's own, which keeps nothing, until the test has ended, and gives its host and port. Where
// there is none the test is skipped; it fails instead where FLEETGATE_REAL is set.
func Start(t *testing.T) (host string) {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		const why = "redis-server is missing: apt-get install redis-server"
		if os.Getenv("FLEETGATE_REAL") != "" {
			t.Fatal(why)
		}
		t.Skip(why + " to run this")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host = free.Addr().String()
	free.Close()
	_, port, _ := net.SplitHostPort(host)
	server := exec.Command(path, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if wire, err := net.Dial("tcp", host); err == nil {
			wire.Close()
			return host
		}
		if time.Now().After(deadline) {
			t.Fatal("redis does not answer")
		}
	}
}
