package invitation_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"fleetgate/internal/store"
	"fleetgate/internal/store/redistest"
)

// redisHost, where it is set, has the tests keep what they keep in that Redis instead of a file.
var redisHost = os.Getenv("FLEETGATE_TEST_REDIS")

// What these tests show of a file holds over a real Redis, where replicas meet.
func TestTheSameOverRedis(t *testing.T) {
	if redisHost != "" {
		t.Skip("this is it")
	}
	host := redistest.Start(t)
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
