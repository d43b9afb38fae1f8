package dangerzone_test

import (
	"net"
	"os"
	"os/exec"
	"testing"
	"time"
)

// startRedis runs a real Redis of the test's own.
func startRedis(t *testing.T) (host string) {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("FLEETGATE_REAL") != "" {
			t.Fatal("redis-server is missing: apt-get install redis-server")
		}
		t.Skip("redis-server is missing: apt-get install redis-server to run this")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host = listener.Addr().String()
	listener.Close()
	_, port, _ := net.SplitHostPort(host)
	server := exec.Command(path, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if wire, err := net.Dial("tcp", host); err == nil {
			wire.Close()
			return host
		}
		if time.Now().After(deadline) {
			t.Fatal("redis does not answer")
		}
	}
}
