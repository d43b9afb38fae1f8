package acceptance

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// tab is a page of a real Chromium, driven over its DevTools protocol.
type tab struct {
	t      *testing.T
	socket *websocket.Conn
	calls  int
	asked  []string // the addresses that the page has loaded
	loaded int
}

// screen is what a browser runs on, and for whom.
type screen struct {
	width, height int
	mobile        bool
	languages     string // of the browser, as in Accept-Language
	dark          bool
}

// density is how many pixels of the screen a CSS pixel has.
const density = 2

// openTab starts a browser, without scripts.
func openTab(t *testing.T, s screen) *tab {
	t.Helper()
	dir := t.TempDir()
	chromium := exec.Command("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
		"--no-first-run", "--user-data-dir="+dir, "--remote-debugging-port=0", "about:blank")
	chromium.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a browser is many processes
	if err := chromium.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-chromium.Process.Pid, syscall.SIGKILL)
		_ = chromium.Wait()
	})
	var port string
	eventually(t, 60*time.Second, "the browser listens", func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "DevToolsActivePort"))
		port, _, _ = strings.Cut(string(text), "\n")
		return err == nil && port != ""
	})
	tab := &tab{t: t, socket: pageOf(t, "127.0.0.1:"+port)}
	tab.call("Page.enable", nil, nil)
	tab.call("Network.enable", nil, nil)
	tab.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
	tab.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": s.width, "height": s.height, "deviceScaleFactor": density, "mobile": s.mobile}, nil)
	tab.call("Network.setExtraHTTPHeaders", map[string]any{"headers": map[string]string{"Accept-Language": s.languages}}, nil)
	if s.dark {
		tab.call("Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]string{"name": "prefers-color-scheme", "value": "dark"}}}, nil)
	}
	return tab
}

// pageOf connects to the page that the browser has begun with.
func pageOf(t *testing.T, address string) *websocket.Conn {
	t.Helper()
	response, err := http.Get("http://" + address + "/json/list")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var pages []struct {
		Type      string
		DebugAddr string `json:"webSocketDebuggerUrl"`
	}
	if err := json.NewDecoder(response.Body).Decode(&pages); err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if page.Type != "page" {
			continue
		}
		socket, _, err := websocket.DefaultDialer.DialContext(t.Context(), page.DebugAddr, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { socket.Close() })
		return socket
	}
	t.Fatal("the browser has no page")
	return nil
}

// call makes one call of the protocol, and notes what happens meanwhile.
func (b *tab) call(method string, parameters, result any) {
	b.t.Helper()
	b.calls++
	if err := b.socket.WriteJSON(map[string]any{"id": b.calls, "method": method, "params": parameters}); err != nil {
		b.t.Fatal(err)
	}
	for {
		id, answer := b.read()
		if id != b.calls {
			continue
		}
		if result != nil {
			if err := json.Unmarshal(answer, result); err != nil {
				b.t.Fatalf("%s: %v in %s", method, err, answer)
			}
		}
		return
	}
}

// read takes the next message: an answer, or an event, which has no id.
func (b *tab) read() (id int, answer json.RawMessage) {
	b.t.Helper()
	var message struct {
		ID     int
		Method string
		Result json.RawMessage
		Error  *struct{ Message string }
		Params struct{ Request struct{ URL string } }
	}
	_ = b.socket.SetReadDeadline(time.Now().Add(30 * time.Second))
	if err := b.socket.ReadJSON(&message); err != nil {
		b.t.Fatal(err)
	}
	switch {
	case message.Error != nil:
		b.t.Fatalf("the browser says %s", message.Error.Message)
	case message.Method == "Network.requestWillBeSent":
		b.asked = append(b.asked, message.Params.Request.URL)
	case message.Method == "Page.loadEventFired":
		b.loaded++
	}
	return message.ID, message.Result
}

// visit opens a page and waits until all of it is there.
func (b *tab) visit(address string) {
	b.t.Helper()
	before := b.loaded
	b.call("Page.navigate", map[string]string{"url": address}, nil)
	for b.loaded == before {
		b.read()
	}
}

// width is how wide the page is, in CSS pixels.
func (b *tab) width() float64 {
	b.t.Helper()
	var metrics struct{ CSSContentSize struct{ Width float64 } }
	b.call("Page.getLayoutMetrics", nil, &metrics)
	return metrics.CSSContentSize.Width
}

// box is where the first element of a selector is, in CSS pixels.
func (b *tab) box(selector string) (x, y, width, height float64) {
	b.t.Helper()
	var document struct{ Root struct{ NodeID int } }
	b.call("DOM.getDocument", nil, &document)
	var found struct{ NodeID int }
	b.call("DOM.querySelector", map[string]any{"nodeId": document.Root.NodeID, "selector": selector}, &found)
	var box struct {
		Model struct {
			Border        []float64
			Width, Height float64
		}
	}
	b.call("DOM.getBoxModel", map[string]any{"nodeId": found.NodeID}, &box)
	return box.Model.Border[0], box.Model.Border[1], box.Model.Width, box.Model.Height
}

// html is the page as the browser has it.
func (b *tab) html() string {
	b.t.Helper()
	var document struct{ Root struct{ NodeID int } }
	b.call("DOM.getDocument", nil, &document)
	var text struct{ OuterHTML string }
	b.call("DOM.getOuterHTML", map[string]any{"nodeId": document.Root.NodeID}, &text)
	return text.OuterHTML
}

// picture is what is to be seen: on the screen, or of the whole page. It is kept where FLEETGATE_PAGES names a folder.
func (b *tab) picture(name string, whole bool) image.Image {
	b.t.Helper()
	var shot struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": whole}, &shot)
	data, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	if dir := os.Getenv("FLEETGATE_PAGES"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(name, ".png")), data, 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
	seen, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		b.t.Fatal(err)
	}
	return seen
}

// rounded is how much is left out of what is cut, in CSS pixels: corners, in which the ground shows.
const rounded = 12

// cut is the part of a picture that shows the first element of a selector.
func (b *tab) cut(picture image.Image, selector string) image.Image {
	b.t.Helper()
	x, y, width, height := b.box(selector)
	part := image.Rect(int(x*density), int(y*density), int((x+width)*density), int((y+height)*density)).Inset(rounded * density)
	if !part.In(picture.Bounds()) {
		b.t.Fatalf("%s is at %v, of which the picture shows %v", selector, part, picture.Bounds())
	}
	return picture.(interface {
		SubImage(image.Rectangle) image.Image
	}).SubImage(part)
}
