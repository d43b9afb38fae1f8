package phone_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"fleetgate/internal/sim/broker"
)

// onEachBroker tries something on the demonstration's broker and on a real Mosquitto. Both have an account for GLPI's
// plugin, backend, and one for the phone, with the rights that the plugin gives.
func onEachBroker(t *testing.T, try func(t *testing.T, address string)) {
	t.Run("embedded", func(t *testing.T) { try(t, startEmbedded(t).Address()) })
	t.Run("mosquitto", func(t *testing.T) { try(t, startMosquitto(t)) })
}

func startEmbedded(t *testing.T) *broker.Broker {
	t.Helper()
	b, err := broker.Start(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	b.SetAccount("backend", "demo", broker.Access{Filter: "#", Read: true, Write: true})
	b.SetAccount("SER-1", "x", broker.Access{Filter: topic + "/Status/#", Write: true}, broker.Access{Filter: topic + "/Command/#", Read: true},
		broker.Access{Filter: topic + "/Policy/#", Read: true}, broker.Access{Filter: "1/fleet/#", Read: true})
	return b
}

const mosquittoACL = `user backend
topic readwrite #

user SER-1
topic write 1/agent/SER-1/Status/#
topic read 1/agent/SER-1/Command/#
topic read 1/agent/SER-1/Policy/#
topic read 1/fleet/#
`

// findMosquitto looks beyond the PATH too: distributions put it where only root looks.
func findMosquitto(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"mosquitto", "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("FLEETGATE_REAL") == "1" {
		t.Fatal("FLEETGATE_REAL=1, but there is no mosquitto")
	}
	t.Skip("no mosquitto on this machine: install it to try the phones on a real broker")
	return ""
}

func startMosquitto(t *testing.T) (address string) {
	t.Helper()
	binary, folder := findMosquitto(t), t.TempDir()
	address = freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	in := func(name string) string { return filepath.Join(folder, name) }
	files := map[string]string{
		"passwords": "backend:demo\nSER-1:x\n",
		"acl":       mosquittoACL,
		"mosquitto.conf": fmt.Sprintf("listener %s 127.0.0.1\nallow_anonymous false\npassword_file %s\nacl_file %s\npersistence false\nlog_dest none\nuser root\n",
			port, in("passwords"), in("acl")),
	}
	for name, text := range files {
		if err := os.WriteFile(in(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("mosquitto_passwd", "-U", in("passwords")).CombinedOutput(); err != nil {
		t.Fatalf("hashing the passwords: %v: %s", err, out)
	}
	process := exec.Command(binary, "-c", in("mosquitto.conf"))
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
	})
	var err error
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		var wire net.Conn
		if wire, err = net.Dial("tcp", address); err == nil {
			wire.Close()
			return address
		}
	}
	t.Fatal(errors.Join(errors.New("mosquitto does not listen"), err))
	return ""
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
