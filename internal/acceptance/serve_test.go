package acceptance

import (
	"strings"
	"testing"
)

func TestAWrongSettingIsOneClearLineAndExitCode2(t *testing.T) {
	for name, c := range map[string]struct {
		env  []string
		args []string
		want string
	}{
		"nothing named":       {nil, []string{"serve"}, "--glpi-url: missing"},
		"no broker":           {nil, []string{"serve", "--glpi-url", "http://127.0.0.1:1"}, "--mqtt-url: missing"},
		"wrong scheme":        {[]string{"FLEETGATE_GLPI_URL=ftp://127.0.0.1"}, []string{"serve", "--mqtt-url", "mqtt://127.0.0.1"}, "--glpi-url: "},
		"unknown flag":        {nil, []string{"serve", "--nonsense"}, "--nonsense"},
		"unknown command":     {nil, []string{"fly"}, "fly"},
		"no number":           {nil, []string{"demo", "--devices", "many"}, "--devices"},
		"too few devices":     {nil, []string{"demo", "--devices", "0"}, "--devices: "},
		"no number in env":    {[]string{"FLEETGATE_EVENTS_PER_SECOND=lots"}, []string{"demo"}, "--events-per-second"},
		"two at once":         {nil, []string{"demo", "--devices", "0", "--secret", "short"}, "--secret: "},
		"no folder":           {nil, []string{"serve", "--glpi-url", "http://glpi.test", "--mqtt-url", "mqtt://broker.test", "--listen", "127.0.0.1:0", "--data-dir", "/dev/null/x"}, "--data-dir: "},
		"phones on WebSocket": {nil, []string{"demo", "--mqtt-url", "wss://broker.test"}, "--mqtt-url: "},
		"address not ours":    {nil, []string{"demo", "--devices", "1", "--listen", "127.0.0.1:99999"}, "--listen: "},
		"secret in a setting": {nil, []string{"serve", "--glpi-url", "http://glpi.test", "--mqtt-url", "mqtt://u:hunter2@broker.test"}, "--mqtt-url: "},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, stderr, code := once(t, c.env, c.args...)
			if code != 2 {
				t.Errorf("exit code %d, want 2", code)
			}
			line := strings.TrimSuffix(stderr, "\n")
			if i := strings.LastIndex(line, "\n"); i >= 0 && !strings.HasPrefix(name, "address") {
				t.Errorf("more than one line:\n%s", stderr)
			}
			if !strings.Contains(line, c.want) {
				t.Errorf("got %q, want it to name %q", line, c.want)
			}
			if strings.Contains(stdout+stderr, "hunter2") {
				t.Error("a password is repeated")
			}
		})
	}
}

func TestHelpVersionAndSchema(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"demo", "--help"}, {}} {
		stdout, _, code := once(t, nil, args...)
		if code != 0 || !strings.Contains(stdout, "Usage: fleetgate") {
			t.Errorf("%v: exit code %d, %q", args, code, stdout)
		}
	}
	stdout, _, _ := once(t, nil, "serve", "--help")
	for _, want := range []string{"--glpi-url", "FLEETGATE_GLPI_URL", "--allowed-origins", "FLEETGATE_MQTT_PASSWORD"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("serve --help does not tell of %s", want)
		}
	}
	if stdout, _, code := once(t, nil, "version"); code != 0 || !strings.HasPrefix(stdout, "fleetgate ") {
		t.Errorf("version: exit code %d, %q", code, stdout)
	}
	if stdout, _, code := once(t, nil, "schema"); code != 0 || !strings.Contains(stdout, "type Subscription {") {
		t.Errorf("schema: exit code %d, %d bytes", code, len(stdout))
	}
}
