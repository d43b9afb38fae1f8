package settings_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fleetgate/internal/settings"
)

func valid() settings.Gateway {
	return settings.Gateway{
		GLPIURL: "https://glpi.example/apirest.php", MQTTURL: "mqtts://broker.example:8883",
		SessionLifetime: time.Hour, StaleAfter: time.Minute, MaxUpload: 512, DangerZoneTargets: 500, DangerZoneTimeout: time.Hour,
		MaxConnections: 1, MaxPerClient: 1, DeviceRate: 1,
	}
}

func TestAWrongSettingIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*settings.Gateway)
		want  string
	}{
		"no GLPI":              {func(g *settings.Gateway) { g.GLPIURL = "" }, "--glpi-url: missing (or set FLEETGATE_GLPI_URL)"},
		"GLPI without scheme":  {func(g *settings.Gateway) { g.GLPIURL = "glpi.example" }, "--glpi-url: "},
		"GLPI over ftp":        {func(g *settings.Gateway) { g.GLPIURL = "ftp://glpi.example" }, "--glpi-url: "},
		"password in address":  {func(g *settings.Gateway) { g.MQTTURL = "mqtt://ada:hunter2@broker" }, "--mqtt-url: "},
		"no broker":            {func(g *settings.Gateway) { g.MQTTURL = "" }, "--mqtt-url: missing"},
		"app token, two":       {func(g *settings.Gateway) { g.GLPIAppToken = "hunter2 hunter3" }, "--glpi-app-token: "},
		"token of a file":      {func(g *settings.Gateway) { g.GLPIServiceToken = "hunter2\n" }, "--glpi-service-token: "},
		"sign-up in prose":     {func(g *settings.Gateway) { g.GLPISignupToken = "hunter2é" }, "--glpi-signup-token: "},
		"short secret":         {func(g *settings.Gateway) { g.Secret = "short" }, "--secret: "},
		"unknown zone":         {func(g *settings.Gateway) { g.GLPITimezone = "Mars/Olympus" }, "--glpi-timezone: "},
		"odd public URL":       {func(g *settings.Gateway) { g.PublicURL = "fleet.example" }, "--public-url: "},
		"origin with a path":   {func(g *settings.Gateway) { g.AllowedOrigins = []string{"https://a.example/x"} }, "--allowed-origins: "},
		"no proxy":             {func(g *settings.Gateway) { g.TrustedProxies = []string{"10.0.0.1", "proxy.example"} }, "--trusted-proxies: "},
		"everybody a proxy":    {func(g *settings.Gateway) { g.TrustedProxies = []string{"::/0"} }, "--trusted-proxies: "},
		"origin without host":  {func(g *settings.Gateway) { g.AllowedOrigins = []string{"fleet"} }, "--allowed-origins: "},
		"no session lifetime":  {func(g *settings.Gateway) { g.SessionLifetime = 0 }, "--session-lifetime: "},
		"short danger zone":    {func(g *settings.Gateway) { g.DangerZoneTimeout = time.Second }, "--danger-zone-timeout: "},
		"negative stale after": {func(g *settings.Gateway) { g.StaleAfter = -time.Second }, "--stale-after: "},
		"too many targets":     {func(g *settings.Gateway) { g.DangerZoneTargets = 501 }, "--danger-zone-max-targets: "},
		"no targets":           {func(g *settings.Gateway) { g.DangerZoneTargets = 0 }, "--danger-zone-max-targets: "},
		"no hours":             {func(g *settings.Gateway) { g.DangerZoneQuiet = "at night" }, "--danger-zone-quiet-hours: "},
		"hours on Mars":        {func(g *settings.Gateway) { g.DangerZoneQuiet = "22:00-06:00 Mars/Olympus" }, "--danger-zone-quiet-hours: "},
		"a profile without":    {func(g *settings.Gateway) { g.DangerZoneProfiles = []string{"Fleet admin", " "} }, "--danger-zone-profiles: "},
		"no uploads":           {func(g *settings.Gateway) { g.MaxUpload = 0 }, "--max-upload: "},
		"no connections":       {func(g *settings.Gateway) { g.MaxConnections = 0 }, "--max-connections: "},
		"silent devices":       {func(g *settings.Gateway) { g.DeviceRate = -1 }, "--device-rate: "},
		"none a client":        {func(g *settings.Gateway) { g.MaxPerClient = -1 }, "--max-connections-per-client: "},
		"endless uploads":      {func(g *settings.Gateway) { g.MaxUpload = 2048 }, "--max-upload: "},
	} {
		t.Run(name, func(t *testing.T) {
			g := valid()
			c.spoil(&g)
			err := g.Check(true)
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Fatalf("got %v, want an error that begins with %q", err, c.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Fatalf("the error repeats a password: %v", err)
			}
		})
	}
	g := valid()
	g.AllowedOrigins = []string{"*", "https://fleet.example", "http://localhost:5173/"}
	g.TrustedProxies = []string{"10.0.0.5", "10.1.0.0/16", "2001:db8::1"}
	g.DangerZoneProfiles, g.DangerZoneTargets, g.DangerZoneQuiet = []string{"Fleet admin", "7"}, 20, "22:00-06:00 Europe/Paris"
	if err := g.Check(true); err != nil {
		t.Fatalf("good settings were refused: %v", err)
	}
}

func TestTheDemoNeedsNoBackends(t *testing.T) {
	g := settings.Gateway{SessionLifetime: time.Hour, StaleAfter: time.Minute, MaxUpload: 512, DangerZoneTargets: 500, DangerZoneTimeout: time.Hour, MaxConnections: 1, MaxPerClient: 1, DeviceRate: 1}
	if err := g.Check(false); err != nil {
		t.Fatal(err)
	}
}

func TestAWrongSettingOfTheDemoIsNamed(t *testing.T) {
	for _, c := range []struct {
		demo    settings.Demo
		gateway settings.Gateway
		want    string // "" for what is right
	}{
		{settings.Demo{Devices: 1}, settings.Gateway{}, ""},
		{settings.Demo{Devices: 1, EventsPerSecond: 5000}, settings.Gateway{MQTTURL: "mqtt://broker"}, ""},
		{settings.Demo{Devices: 1}, settings.Gateway{MQTTURL: "mqtts://broker"}, ""},
		{settings.Demo{Devices: 1}, settings.Gateway{GLPIURL: "https://glpi", MQTTURL: "wss://broker"}, ""}, // no phones
		{settings.Demo{Devices: 0}, settings.Gateway{}, "--devices: "},
		{settings.Demo{Devices: 1_000_000}, settings.Gateway{}, "--devices: "},
		{settings.Demo{Devices: 1, EventsPerSecond: -1}, settings.Gateway{}, "--events-per-second: "},
		{settings.Demo{Devices: 1, EventsPerSecond: math.NaN()}, settings.Gateway{}, "--events-per-second: "},
		{settings.Demo{Devices: 1}, settings.Gateway{MQTTURL: "ws://broker"}, "--mqtt-url: "},
		{settings.Demo{Devices: 1}, settings.Gateway{MQTTURL: "wss://broker"}, "--mqtt-url: "},
	} {
		got := ""
		if err := c.demo.Check(c.gateway); err != nil {
			got = err.Error()
		}
		if (got == "") != (c.want == "") || !strings.HasPrefix(got, c.want) {
			t.Errorf("%+v with %+v: got %q, want %q", c.demo, c.gateway, got, c.want)
		}
	}
}

func TestTheSecretSurvivesARestartInTheDataFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	g := settings.Gateway{DataDir: dir}
	secrets := make([]string, 8)
	var wg sync.WaitGroup
	for i := range secrets {
		wg.Go(func() {
			secret, kept, err := g.SealingSecret()
			if err != nil || !kept {
				t.Errorf("kept %v, %v", kept, err)
			}
			secrets[i] = secret
		})
	}
	wg.Wait()
	for _, secret := range secrets {
		if secret != secrets[0] || len(secret) < 32 {
			t.Fatalf("processes that start together disagree or the secret is short: %d and %d characters", len(secret), len(secrets[0]))
		}
	}
	info, err := os.Stat(filepath.Join(dir, "secret"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the secret's file: %v, %v; want readable by its owner alone", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Fatalf("%d files left in the data folder, want the secret alone", len(entries))
	}
}

func TestASpoiltSecretFileIsSaidAndKept(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "secret")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := (&settings.Gateway{DataDir: dir}).SealingSecret(); err == nil || !strings.Contains(err.Error(), "--data-dir") {
		t.Fatalf("got %v, want an error that names the setting", err)
	}
}

func TestWithoutADataFolderEachStartHasItsOwnSecret(t *testing.T) {
	one, kept, _ := (&settings.Gateway{}).SealingSecret()
	two, _, _ := (&settings.Gateway{}).SealingSecret()
	if kept || one == two {
		t.Fatal("the secret is said to be kept, or is the same twice")
	}
}
