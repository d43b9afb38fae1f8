package invitation_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"fleetgate/internal/store"
)

// redisHost, where it is set, has the tests keep what they keep in that Redis instead of a file.
var redisHost = os.Getenv("FLEETGATE_TEST_REDIS")

// What these tests show of a file holds over a real Redis, where replicas meet.
func TestTheSameOverRedis(t *testing.T) {
	if redisHost != "" {
		t.Skip("this is it")
	}
	host := startRedis(t)
	again := exec.Command(os.Args[0], "-test.timeout=120s", "-test.v")
	again.Env = append(os.Environ(), "FLEETGATE_TEST_REDIS="+host)
	out, err := again.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := strings.Count(string(out), "--- PASS"); n < 20 {
		t.Errorf("only %d tests ran:\n%s", n, out)
	}
}

// emptyRedis is the Redis of the tests with nothing in it.
func emptyRedis(t *testing.T) store.Store {
	t.Helper()
	wire, err := net.Dial("tcp", redisHost)
	if err != nil {
		t.Fatal(err)
	}
	defer wire.Close()
	fmt.Fprint(wire, "FLUSHALL\r\n")
	if line, err := bufio.NewReader(wire).ReadString('\n'); err != nil || line != "+OK\r\n" {
		t.Fatalf("emptying Redis: %q, %v", line, err)
	}
	s, err := store.OpenRedis("redis://" + redisHost)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

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
