package acceptance

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A person signs in on the dashboard, looks around and leaves, in a real browser and under the gateway's own rules
// for what a page may do.
func TestTheDashboardInABrowser(t *testing.T) {
	needChromium(t)
	demo := start(t, "ready", "demo", "--listen", "127.0.0.1:0", "--devices", "200", "--events-per-second", "40")
	var seen struct {
		Problem, Refused, Shown, Who, Found, Token string
		Twice                                      int // devices that are shown twice
	}
	demo.browse("/", "testdata/person.mjs", &seen)
	if seen.Problem != "" {
		t.Fatal(seen.Problem)
	}
	if !strings.Contains(seen.Refused, "credentials") || !strings.Contains(seen.Who, "ACME") || !strings.Contains(seen.Shown, " of ") ||
		seen.Found != "no device matches" || seen.Token != "" || seen.Twice != 0 {
		t.Errorf("the person saw %+v", seen)
	}
}

// The dashboard's stream goes on after the last cursor, and where events were missed reads the page again once it
// runs: what happened between the two would be lost the other way round.
func TestTheDashboardsStreamLosesNothing(t *testing.T) {
	needChromium(t)
	demo := start(t, "ready", "demo", "--listen", "127.0.0.1:0", "--devices", "2", "--events-per-second", "0")
	var seen struct{ Steps []string }
	demo.browse("/", "testdata/stream.mjs", &seen)
	want := []string{
		"connecting", "connection_init", "live", "subscribe after null", "event",
		"connecting", "connecting", "connection_init", "live", "subscribe after c1",
		"connecting", "connecting", "connection_init", "live", "subscribe after null", "resync",
		"ended", "UNAUTHENTICATED: the sign-in has expired",
	}
	if !reflect.DeepEqual(seen.Steps, want) {
		t.Errorf("it went %q,\nwant %q", seen.Steps, want)
	}
}

// browse opens a page of the gateway in Chromium with a script added, and decodes what the script has seen.
func (p *process) browse(path, script string, seen any) {
	t := p.t
	t.Helper()
	gateway, err := url.Parse(p.urls["dashboard"])
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan []byte, 1)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(gateway)
			r.Out.Host = r.In.Host // the pages are the proxy's own
		},
		ModifyResponse: func(r *http.Response) error {
			if r.Request.URL.Path != path {
				return nil
			}
			return addScript(r)
		},
	}
	routes := http.NewServeMux()
	routes.Handle("/", proxy)
	routes.HandleFunc("GET /script.mjs", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, script) })
	routes.HandleFunc("POST /seen", func(_ http.ResponseWriter, r *http.Request) {
		var text bytes.Buffer
		_, _ = text.ReadFrom(r.Body)
		told <- text.Bytes()
	})
	server := httptest.NewServer(routes)
	defer server.Close()

	chromium := exec.Command("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--no-first-run", "--user-data-dir="+t.TempDir(), "--remote-debugging-port=0", server.URL+path)
	chromium.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a browser is many processes
	log := &safeBuffer{}
	chromium.Stderr = log
	if err := chromium.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = syscall.Kill(-chromium.Process.Pid, syscall.SIGKILL)
		_ = chromium.Wait()
	}()
	select {
	case text := <-told:
		if err := json.Unmarshal(text, seen); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
	case <-time.After(60 * time.Second):
		t.Fatalf("the browser told nothing; its log:\n%s", log)
	}
}

// addScript puts a script at the end of a page.
func addScript(r *http.Response) error {
	var page bytes.Buffer
	if _, err := page.ReadFrom(r.Body); err != nil {
		return err
	}
	r.Body.Close()
	text := strings.Replace(page.String(), "</body>", `<script type="module" src="/script.mjs"></script></body>`, 1)
	r.Body = io.NopCloser(strings.NewReader(text))
	r.ContentLength = int64(len(text))
	r.Header.Del("Content-Length")
	return nil
}

// needChromium skips where there is none, unless the real thing is demanded.
func needChromium(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("chromium"); err == nil {
		return
	}
	const why = "no browser here: install Debian's package chromium"
	if os.Getenv("FLEETGATE_REAL") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}
