package settings

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
)

// BrokerTLS is how the broker's certificate is checked and which one is shown to it; nil: the system's authorities
// decide and none is shown. Errors name the setting at fault and hold nothing of a key.
func (g *Gateway) BrokerTLS() (*tls.Config, error) {
	if g.MQTTCAFile == "" && g.MQTTCertFile == "" && g.MQTTKeyFile == "" {
		return nil, nil
	}
	switch scheme, _, _ := strings.Cut(strings.ToLower(g.MQTTURL), "://"); scheme {
	case "mqtt", "tcp", "ws":
		return nil, fmt.Errorf("%s: the broker's address has no TLS: use mqtts:// or wss://", g.brokerFiles())
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if g.MQTTCAFile != "" {
		pem, err := os.ReadFile(g.MQTTCAFile)
		if err != nil {
			return nil, fmt.Errorf("--mqtt-ca-file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--mqtt-ca-file: %s holds no certificate in PEM form", g.MQTTCAFile)
		}
	}
	switch {
	case g.MQTTCertFile == "" && g.MQTTKeyFile == "":
		return config, nil
	case g.MQTTCertFile == "":
		return nil, errors.New("--mqtt-cert-file: missing beside --mqtt-key-file")
	case g.MQTTKeyFile == "":
		return nil, errors.New("--mqtt-key-file: missing beside --mqtt-cert-file")
	}
	own, err := tls.LoadX509KeyPair(g.MQTTCertFile, g.MQTTKeyFile)
	if err != nil {
		return nil, fmt.Errorf("--mqtt-cert-file, --mqtt-key-file: %w", err)
	}
	config.Certificates = []tls.Certificate{own}
	return config, nil
}

// brokerFiles names the settings that mean something with TLS only, those that are set.
func (g *Gateway) brokerFiles() string {
	var set []string
	for _, file := range []struct{ name, path string }{
		{"--mqtt-ca-file", g.MQTTCAFile}, {"--mqtt-cert-file", g.MQTTCertFile}, {"--mqtt-key-file", g.MQTTKeyFile},
	} {
		if file.path != "" {
			set = append(set, file.name)
		}
	}
	return strings.Join(set, ", ")
}
