package bridge

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fleetgate/internal/settings"
)

// authority is a certificate authority that lives as long as a test.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	file        string // its certificate
	folder      string
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{folder: t.TempDir()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.certificate, a.key = template, newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.file = a.write(t, "ca.pem", "CERTIFICATE", der)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue vouches for a name, and gives the files with the certificate and its key.
func (a *authority) issue(t *testing.T, name string, use x509.ExtKeyUsage) (certificate, key string) {
	t.Helper()
	own := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{use},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, a.certificate, own.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	return a.write(t, name+".pem", "CERTIFICATE", der), a.write(t, name+".key", "PRIVATE KEY", secret)
}

func (a *authority) write(t *testing.T, name, kind string, der []byte) (path string) {
	t.Helper()
	b := &mosquitto{folder: a.folder}
	b.write(t, name, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
	return filepath.Join(a.folder, name)
}

// alsoListen gives the broker another listener, and its address.
func (b *mosquitto) alsoListen(t *testing.T, lines string) (address string) {
	t.Helper()
	address = freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	b.config += fmt.Sprintf("listener %s 127.0.0.1\n%s\n", port, lines)
	b.write(t, "mosquitto.conf", b.config)
	return address
}

// TestMosquittoWithCertificates connects to a broker that shows a certificate of its own authority and wants one of
// the bridge, as an operator sets that up, while phones with MQTT 3.1.1 go on over their listener.
func TestMosquittoWithCertificates(t *testing.T) {
	ca, stranger := newAuthority(t, "the company's authority"), newAuthority(t, "somebody else's authority")
	brokerCert, brokerKey := ca.issue(t, "broker", x509.ExtKeyUsageServerAuth)
	ownCert, ownKey := ca.issue(t, "fleetgate", x509.ExtKeyUsageClientAuth)
	falseCert, falseKey := stranger.issue(t, "fleetgate", x509.ExtKeyUsageClientAuth)
	at := newMosquitto(t, findMosquitto(t))
	secure := at.alsoListen(t, fmt.Sprintf("cafile %s\ncertfile %s\nkeyfile %s\nrequire_certificate true", ca.file, brokerCert, brokerKey))
	t.Cleanup(func() { at.kill(t) })
	at.start(t)
	phone := device(t, at, "SN-1", nil)

	for name, c := range map[string]struct {
		settings settings.Gateway
		says     string // "" where the broker and the bridge trust each other
	}{
		"each trusts the other":            {settings.Gateway{MQTTCAFile: ca.file, MQTTCertFile: ownCert, MQTTKeyFile: ownKey}, ""},
		"without the bridge's certificate": {settings.Gateway{MQTTCAFile: ca.file}, "certificate required"},
		"a certificate of a stranger":      {settings.Gateway{MQTTCAFile: ca.file, MQTTCertFile: falseCert, MQTTKeyFile: falseKey}, "unknown certificate authority"},
		"the broker's authority is wrong":  {settings.Gateway{MQTTCAFile: stranger.file, MQTTCertFile: ownCert, MQTTKeyFile: ownKey}, "signed by unknown authority"},
		"the system's authorities":         {settings.Gateway{MQTTCertFile: ownCert, MQTTKeyFile: ownKey}, "signed by unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			o := account(secure)
			o.URL, c.settings.MQTTURL = "mqtts://"+secure, "mqtts://"+secure
			var err error
			if o.TLS, err = c.settings.BrokerTLS(); err != nil {
				t.Fatal(err)
			}
			b := start(t, o)
			if c.says == "" {
				hearsOver(t, b, phone)
				return
			}
			eventually(t, "it says why", func() bool { return strings.Contains(b.Status().LastError, c.says) })
			if b.Status().Connected {
				t.Error("it is connected")
			}
		})
	}
}

// hearsOver wants the bridge to hear what a phone says.
func hearsOver(t *testing.T, b *Bridge, phone *client) {
	t.Helper()
	connected(t, b)
	events := subscribe(t, b, Filter{AllEntities: true, Kinds: set(TaskStatusChanged)}, "")
	phone.say(t, own+"Status/Task/7", `{"status":"done"}`, false)
	if e := next(t, events); e.Device != someone {
		t.Errorf("got %+v", e)
	}
}

// TestMosquittoOverWebSocket connects to Mosquitto's own WebSocket listener, plain and with TLS.
func TestMosquittoOverWebSocket(t *testing.T) {
	ca := newAuthority(t, "the company's authority")
	brokerCert, brokerKey := ca.issue(t, "broker", x509.ExtKeyUsageServerAuth)
	at := newMosquitto(t, findMosquitto(t))
	plain := at.alsoListen(t, "protocol websockets")
	secure := at.alsoListen(t, fmt.Sprintf("protocol websockets\ncertfile %s\nkeyfile %s", brokerCert, brokerKey))
	needWebSockets(t, at)
	t.Cleanup(func() { at.kill(t) })
	at.start(t)
	phone := device(t, at, "SN-1", nil)
	for _, url := range []string{"ws://" + plain, "wss://" + secure + "/mqtt"} {
		o := account(plain)
		o.URL = url
		var err error
		if o.TLS, err = (&settings.Gateway{MQTTURL: url, MQTTCAFile: map[bool]string{true: ca.file}[strings.HasPrefix(url, "wss")]}).BrokerTLS(); err != nil {
			t.Fatal(err)
		}
		b := start(t, o)
		hearsOver(t, b, phone)
	}
}

// needWebSockets skips where this build of Mosquitto has no WebSockets: it ends at once then, and says so.
func needWebSockets(t *testing.T, at *mosquitto) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	process := exec.CommandContext(ctx, at.binary, "-c", filepath.Join(at.folder, "mosquitto.conf"))
	said, _ := process.CombinedOutput() // it runs until it is killed, or says what it can't do
	if bytes.Contains(bytes.ToLower(said), []byte("websockets support not available")) {
		t.Skip("this Mosquitto was built without WebSockets")
	}
}
