package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"fleetgate/internal/sim/phone"
)

// operator is an administrator who pings a phone now and then, the way GLPI's own interface does: GLPI sends the
// command to the broker and waits for up to ten seconds for an answer that it rarely notices.
type operator struct {
	glpiURL, token string
	http           *http.Client

	mu      sync.Mutex
	session string
}

// ping asks GLPI to ping a phone, and ignores what GLPI thinks came of it.
func (o *operator) ping(ctx context.Context, account phone.Account) {
	session, err := o.signIn(ctx)
	if err != nil {
		return
	}
	status, err := o.request(ctx, http.MethodPut, "/PluginFlyvemdmAgent/"+strconv.Itoa(account.AgentID), session,
		`{"input":{"_ping_request":"1"}}`, nil)
	if err == nil && status == http.StatusUnauthorized {
		o.mu.Lock()
		o.session = "" // it has ended; the next ping opens another
		o.mu.Unlock()
	}
}

func (o *operator) signIn(ctx context.Context) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.session != "" {
		return o.session, nil
	}
	var opened struct {
		Token string `json:"session_token"`
	}
	status, err := o.request(ctx, http.MethodGet, "/initSession", "", "", &opened)
	if err != nil {
		return "", err
	}
	if opened.Token == "" {
		return "", fmt.Errorf("GLPI answered %d", status)
	}
	o.session = opened.Token
	return o.session, nil
}

func (o *operator) request(ctx context.Context, method, path, session, body string, answer any) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, method, o.glpiURL+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	if session != "" {
		request.Header.Set("Session-Token", session)
	} else {
		request.Header.Set("Authorization", "user_token "+o.token)
	}
	response, err := o.http.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if answer != nil {
		err = json.NewDecoder(response.Body).Decode(answer)
	}
	return response.StatusCode, err
}
