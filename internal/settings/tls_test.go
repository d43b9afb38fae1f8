package settings_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fleetgate/internal/settings"
)

// certificate makes a certificate that vouches for itself, and gives the files with it and its key.
func certificate(t *testing.T, dir, name string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		return file(t, dir, name, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
	}
	return write(name+".pem", "CERTIFICATE", der), write(name+".key", "PRIVATE KEY", secret)
}

func file(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBrokerTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := certificate(t, dir, "own")
	otherCert, otherKey := certificate(t, dir, "other")
	text, missing := file(t, dir, "text.pem", "hunter2 is no certificate"), filepath.Join(dir, "missing.pem")
	for name, c := range map[string]struct {
		settings         settings.Gateway
		wants            string // how the error begins; "" for none
		authority, shown bool
	}{
		"nothing":                   {settings.Gateway{}, "", false, false},
		"an authority":              {settings.Gateway{MQTTCAFile: cert}, "", true, false},
		"a certificate":             {settings.Gateway{MQTTCertFile: cert, MQTTKeyFile: key}, "", false, true},
		"both":                      {settings.Gateway{MQTTCAFile: otherCert, MQTTCertFile: cert, MQTTKeyFile: key}, "", true, true},
		"over a WebSocket":          {settings.Gateway{MQTTURL: "wss://broker", MQTTCAFile: cert}, "", true, false},
		"no such authority":         {settings.Gateway{MQTTCAFile: missing}, "--mqtt-ca-file: ", false, false},
		"an authority in prose":     {settings.Gateway{MQTTCAFile: text}, "--mqtt-ca-file: ", false, false},
		"a key for an authority":    {settings.Gateway{MQTTCAFile: key}, "--mqtt-ca-file: ", false, false},
		"a folder for an authority": {settings.Gateway{MQTTCAFile: dir}, "--mqtt-ca-file: ", false, false},
		"a key alone":               {settings.Gateway{MQTTKeyFile: key}, "--mqtt-cert-file: missing", false, false},
		"a certificate alone":       {settings.Gateway{MQTTCertFile: cert}, "--mqtt-key-file: missing", false, false},
		"no such certificate":       {settings.Gateway{MQTTCertFile: missing, MQTTKeyFile: key}, "--mqtt-cert-file, --mqtt-key-file: ", false, false},
		"no such key":               {settings.Gateway{MQTTCertFile: cert, MQTTKeyFile: missing}, "--mqtt-cert-file, --mqtt-key-file: ", false, false},
		"a key in prose":            {settings.Gateway{MQTTCertFile: cert, MQTTKeyFile: text}, "--mqtt-cert-file, --mqtt-key-file: ", false, false},
		"somebody else's key":       {settings.Gateway{MQTTCertFile: cert, MQTTKeyFile: otherKey}, "--mqtt-cert-file, --mqtt-key-file: ", false, false},
		"mqtt":                      {settings.Gateway{MQTTURL: "mqtt://broker", MQTTCAFile: cert}, "--mqtt-ca-file: ", false, false},
		"tcp":                       {settings.Gateway{MQTTURL: "tcp://broker", MQTTCertFile: cert, MQTTKeyFile: key}, "--mqtt-cert-file, --mqtt-key-file: ", false, false},
		"ws":                        {settings.Gateway{MQTTURL: "ws://broker", MQTTCAFile: cert}, "--mqtt-ca-file: ", false, false},
		"MQTT":                      {settings.Gateway{MQTTURL: "MQTT://broker", MQTTCAFile: cert}, "--mqtt-ca-file: ", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := valid()
			g.MQTTCAFile, g.MQTTCertFile, g.MQTTKeyFile = c.settings.MQTTCAFile, c.settings.MQTTCertFile, c.settings.MQTTKeyFile
			if c.settings.MQTTURL != "" {
				g.MQTTURL = c.settings.MQTTURL
			}
			config, err := g.BrokerTLS()
			if checked := g.Check(true); (checked == nil) != (err == nil) {
				t.Errorf("Check says %v, BrokerTLS %v", checked, err)
			}
			if c.wants != "" {
				if err == nil || !strings.HasPrefix(err.Error(), c.wants) || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("got %v, want an error that begins with %q and quotes no file", err, c.wants)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if (config != nil) != (c.authority || c.shown) {
				t.Fatalf("the configuration is %v", config)
			}
			if config != nil && ((config.RootCAs != nil) != c.authority || (len(config.Certificates) == 1) != c.shown || config.InsecureSkipVerify) {
				t.Errorf("authorities: %v, certificates: %d", config.RootCAs != nil, len(config.Certificates))
			}
		})
	}
}
