package acceptance

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// agentID is the global id of an agent with some number.
func agentID(n int) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "Agent:%d", n))
}

// callGLPI calls the demonstration's GLPI past the gateway, as an existing client does.
func (p *process) callGLPI(method, path string, header map[string]string, body string, answer any) error {
	request, err := http.NewRequestWithContext(p.t.Context(), method, p.urls["glpi"]+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || answer == nil {
		return err
	}
	return json.Unmarshal(text, answer)
}

// signInToGLPI opens a session in GLPI itself.
func (p *process) signInToGLPI(username, password string) (string, error) {
	var opened struct {
		Token string `json:"session_token"`
	}
	credentials := base64.StdEncoding.EncodeToString([]byte(username + ":" + password))
	err := p.callGLPI(http.MethodGet, "/initSession", map[string]string{"Authorization": "Basic " + credentials}, "", &opened)
	return opened.Token, err
}

// pingThroughGLPI has GLPI ping device after device, so that one that is online must answer. It is given up when the
// test ends.
func (p *process) pingThroughGLPI(session string, agents []int) {
	for _, id := range agents {
		_ = p.callGLPI(http.MethodPut, fmt.Sprintf("/PluginFlyvemdmAgent/%d", id), map[string]string{"Session-Token": session},
			`{"input":{"_ping_request":"1"}}`, nil)
		if p.t.Context().Err() != nil {
			return
		}
	}
}

// closeCode waits for the end of the socket and answers its code; 0 when it stays open.
func (s *stream) closeCode(within time.Duration) int {
	for deadline := time.Now().Add(within); time.Now().Before(deadline); {
		_, err := s.tryRead(time.Until(deadline))
		var closed *websocket.CloseError
		if errors.As(err, &closed) {
			return closed.Code
		}
		if err != nil {
			return 0
		}
	}
	return 0
}
