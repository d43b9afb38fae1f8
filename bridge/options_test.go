package bridge

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestOptions(t *testing.T) {
	for _, url := range []string{"mqtt://host", "tcp://host:1", "mqtts://host", "tls://host", "ssl://host", "ws://host/mqtt", "wss://host/mqtt", "MQTT://[::1]"} {
		if _, err := New(Options{URL: url}); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	for name, c := range map[string]struct {
		options Options
		names   string
	}{
		"no URL":             {Options{}, "URL"},
		"another scheme":     {Options{URL: "http://host"}, "URL"},
		"no host":            {Options{URL: "mqtt://:1883"}, "URL"},
		"not a URL":          {Options{URL: "mqtt://ho st:secret"}, "URL"},
		"account in the URL": {Options{URL: "mqtt://me:secret@host"}, "Username"},
		"query":              {Options{URL: "wss://host/?token=secret"}, "URL"},
		"path":               {Options{URL: "mqtt://host/path"}, "URL"},
		"password alone":     {Options{URL: "mqtt://host", Password: "secret"}, "Username"},
		"negative":           {Options{URL: "mqtt://host", LogSize: -1}, "LogSize"},
		"negative pause":     {Options{URL: "mqtt://host", ReconnectMin: -1}, "ReconnectMin"},
		"pauses that cross":  {Options{URL: "mqtt://host", ReconnectMin: time.Second, ReconnectMax: time.Second}, "ReconnectMax"},
		"keep-alive":         {Options{URL: "mqtt://host", KeepAlive: time.Millisecond}, "KeepAlive"},
	} {
		_, err := New(c.options)
		if err == nil || !strings.Contains(err.Error(), c.names) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	registry := prometheus.NewRegistry()
	for i := range 2 {
		if _, err := New(Options{URL: "mqtt://host", Registerer: registry}); (err != nil) != (i == 1) {
			t.Errorf("bridge %d on one registry: %v", i, err)
		}
	}
}
