package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"

	"fleetgate/internal/sim/glpi"
)

// shown is how many devices of a company the simulated GLPI prints: those that speak.
const shown = 20

// speaker is a device that says where it is.
type speaker struct{ Serial, Topic string }

// crew is what the measurements must know of the simulated GLPI; it prints it as JSON.
type crew struct {
	ServiceToken string
	ACME, Globex []speaker
}

// The accounts that are made: viewers of one company, all with the same rights, and one of the other.
func viewerName(i int) string { return fmt.Sprintf("viewer%d@acme.test", i) }

const stranger = "viewer@globex.test"

// oneOfACME is a viewer whom every simulated GLPI has.
const oneOfACME = "viewer@acme.test"

// fewestDevices have some of every entity among them.
const fewestDevices = 7

// simulatedGLPI has devices of two companies, and viewers of the first.
func simulatedGLPI(ctx context.Context, devices, viewers int) (http.Handler, error) {
	if devices < fewestDevices {
		return nil, fmt.Errorf("%d devices are too few: %d at least", devices, fewestDevices)
	}
	server := glpi.New(glpi.Options{})
	demo := server.SeedDemo(glpi.DemoOptions{Devices: devices, Seed: 1})
	c := crew{ServiceToken: demo.ServiceToken}
	acme, globex := demo.Devices[6].EntityID, demo.Devices[1].EntityID
	for _, d := range demo.Devices {
		company := &c.ACME
		if d.EntityID == globex {
			company = &c.Globex
		}
		if len(*company) < shown {
			*company = append(*company, speaker{d.Serial, d.Topic})
		}
	}
	if err := hire(ctx, server, demo.ServiceToken, acme, viewers); err != nil {
		return nil, fmt.Errorf("making viewers: %w", err)
	}
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	fmt.Println("crew", string(text))
	return server, nil
}

// hire makes viewers of a company over GLPI's REST API, as its administrator would.
func hire(ctx context.Context, server http.Handler, token string, entity, number int) error {
	if number == 0 {
		return nil
	}
	ask := func(method, path, header, value string, body, answer any) error {
		var text []byte
		if method != http.MethodGet {
			var err error
			if text, err = json.Marshal(body); err != nil {
				return err
			}
		}
		request := httptest.NewRequestWithContext(ctx, method, "/apirest.php"+path, bytes.NewReader(text))
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set(header, value)
		recorder := httptest.NewRecorder()
		server.ServeHTTP(recorder, request)
		if recorder.Code >= http.StatusBadRequest {
			return fmt.Errorf("%s %s: %d: %s", method, path, recorder.Code, recorder.Body)
		}
		return json.Unmarshal(recorder.Body.Bytes(), answer)
	}
	var opened struct {
		Session string `json:"session_token"`
	}
	if err := ask(http.MethodGet, "/initSession", "Authorization", "user_token "+token, nil, &opened); err != nil {
		return err
	}
	type profile struct {
		ID   int
		Name string
	}
	var profiles []profile
	if err := ask(http.MethodGet, "/Profile?range=0-100", "Session-Token", opened.Session, nil, &profiles); err != nil {
		return err
	}
	at := slices.IndexFunc(profiles, func(p profile) bool { return p.Name == "Fleet viewer" })
	if at < 0 {
		return errors.New("no profile for viewers")
	}
	people := make([]map[string]any, number)
	for i := range people {
		people[i] = map[string]any{
			"name": viewerName(i), "password": glpi.DemoPassword, "password2": glpi.DemoPassword, "entities_id": entity,
			"_entities_id": entity, "profiles_id": profiles[at].ID, "_profiles_id": profiles[at].ID, "_is_recursive": "1",
		}
	}
	return ask(http.MethodPost, "/User", "Session-Token", opened.Session, map[string]any{"input": people}, new(any))
}
