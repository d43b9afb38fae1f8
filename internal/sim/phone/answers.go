package phone

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// sayOnline tells that the phone is there. The lock is held.
func (p *Phone) sayOnline() {
	if p.account.Generation == A {
		p.life.client.Publish(p.account.Topic+"/Status/Online", 0, false, `{"online": true}`)
		return
	}
	p.life.later(func(ctx context.Context) { p.tellGLPI(ctx, "is_online", "1") })
}

// pong answers a ping.
func (p *Phone) pong(ctx context.Context) {
	if p.account.Generation == A {
		p.say(ctx, "Status/Ping", "!")
		return
	}
	p.tellGLPI(ctx, "_pong", "!")
}

// Walk moves the phone by some degrees and has it report where it is.
func (p *Phone) Walk(north, east float64) {
	p.mu.Lock()
	p.latitude, p.longitude = p.latitude+north, p.longitude+east
	p.mu.Unlock()
	if l := p.current(); l != nil {
		l.later(p.reportPosition)
	}
}

// SpeakUp has the phone say that it is there, unasked.
func (p *Phone) SpeakUp() {
	if l := p.current(); l != nil {
		l.later(p.pong)
	}
}

func (p *Phone) reportPosition(ctx context.Context) {
	p.mu.Lock()
	latitude, longitude := degrees(p.latitude), degrees(p.longitude)
	p.mu.Unlock()
	now := strconv.FormatInt(time.Now().Unix(), 10)
	if p.account.Generation == A {
		p.say(ctx, "Status/Geolocation", fmt.Sprintf(`{"latitude":%s,"longitude":%s,"datetime":"%s"}`, latitude, longitude, now))
		return
	}
	p.call(ctx, http.MethodPost, "/PluginFlyvemdmGeolocation", map[string]any{
		"_agents_id": p.account.AgentID, "computers_id": p.account.ComputerID,
		"latitude": latitude, "longitude": longitude, "_datetime": now,
	}, nil)
}

func (p *Phone) reportInventory(ctx context.Context) {
	inventory := fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?><REQUEST><QUERY>INVENTORY</QUERY><DEVICEID>%[1]s</DEVICEID>`+
		`<CONTENT><BIOS><SSN>%[1]s</SSN></BIOS><HARDWARE><NAME>%[1]s</NAME></HARDWARE></CONTENT></REQUEST>`, p.account.Serial)
	if p.account.Generation == A {
		p.say(ctx, "Status/Inventory", inventory)
		return
	}
	p.tellGLPI(ctx, "_inventory", base64.StdEncoding.EncodeToString([]byte(inventory)))
}

// tellGLPI updates one field of the phone's agent.
func (p *Phone) tellGLPI(ctx context.Context, field, value string) {
	p.call(ctx, http.MethodPut, "/PluginFlyvemdmAgent/"+strconv.Itoa(p.account.AgentID), map[string]any{field: value}, nil)
}

// tellTaskStatus finds the row of a task by a search that matches too much (task 1 finds task 11 too) and takes
// the first, as the agents do.
func (p *Phone) tellTaskStatus(ctx context.Context, taskID int, status string) {
	query := url.Values{
		"criteria[0][field]": {"5"}, "criteria[0][searchtype]": {"contains"}, "criteria[0][value]": {strconv.Itoa(p.account.AgentID)},
		"criteria[1][link]": {"AND"}, "criteria[1][field]": {"6"}, "criteria[1][searchtype]": {"contains"}, "criteria[1][value]": {strconv.Itoa(taskID)},
		"forcedisplay[0]": {"2"},
	}
	var found struct {
		Data []map[string]any `json:"data"`
	}
	if !p.call(ctx, http.MethodGet, "/search/PluginFlyvemdmTaskstatus?"+query.Encode(), nil, &found) || len(found.Data) == 0 {
		return
	}
	p.call(ctx, http.MethodPut, fmt.Sprintf("/PluginFlyvemdmTaskstatus/%v", found.Data[0]["2"]), map[string]any{"status": status}, nil)
}

// call is one answer over HTTP: a session of its own, opened with the token in the address and never closed.
func (p *Phone) call(ctx context.Context, method, path string, input map[string]any, answer any) bool {
	var session struct {
		Token string `json:"session_token"`
	}
	err := p.request(ctx, http.MethodGet, "/initSession?user_token="+url.QueryEscape(p.account.APIToken), "", nil, &session)
	if err == nil {
		err = p.request(ctx, method, path, session.Token, input, answer)
	}
	if err != nil && ctx.Err() == nil {
		p.o.Logger.Debug("a phone could not reach GLPI", "serial", p.account.Serial, "error", err)
	}
	return err == nil
}

func (p *Phone) request(ctx context.Context, method, path, session string, input map[string]any, answer any) error {
	var body io.Reader
	if input != nil {
		text, err := json.Marshal(map[string]any{"input": input})
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, p.o.GLPIURL+path, body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if session != "" {
		request.Header.Set("Session-Token", session)
	}
	response, err := p.o.HTTP.Do(request)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // without the address, which may hold the token
		}
		return fmt.Errorf("calling GLPI: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("GLPI answered %d", response.StatusCode)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

// degrees writes a coordinate as the agents do.
func degrees(d float64) string { return strconv.FormatFloat(d, 'f', 6, 64) }
