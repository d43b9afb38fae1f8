package glpiproxy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// secretTexts are everything that must not come out anywhere.
var secretTexts = []string{
	"verysecretpassword", "verysecretusertoken", "verysecretapptoken", alice,
	"oqgrXXzV6a1hdnUpanwzy2SqOCDSXmmXghxN4Hdo", "9Os2kHzdIEdKt9f2AXIIVsx9KRBIdg5S", // an agent's api_token and MQTT password
	"ZIgHHEBcxN4dHwa4cCdi7XhbNVBRVvqofKIYXRz3",                         // a user's api_token
	"84cc4eea8044de8c57c5137a7ec16a4706af2f4c9d7824b8b231bd45c6571333", // an invitation's
	"dmVyeXNlY3JldHBhc3N3b3Jk",                                         // base64 of the password, at some offset
}

func TestNoSecretComesOut(t *testing.T) {
	var out bytes.Buffer
	g := newGLPI(t)
	registry := prometheus.NewRegistry()
	c := g.client(func(o *Options) {
		o.AppToken, o.Registerer = "verysecretapptoken", registry
		o.Logger = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	ctx := context.Background()
	s := c.Resume(alice)
	show := func(v any, err error) { fmt.Fprintf(&out, "%+v %#v %v\n", v, v, err) }

	g.on("/PluginFlyvemdmAgent/2", recorded(t, "129-agent-get-as-admin"))
	show(Get[Agent](ctx, s, 2))
	g.on("/PluginFlyvemdmAgent/2", recorded(t, "126-enroll-get-agent-as-guest"))
	c.Invalidate("PluginFlyvemdmAgent")
	show(Get[Agent](ctx, s, 2))
	g.on("/User/18", recorded(t, "full-226-User-get"))
	show(Get[User](ctx, s, 18))
	g.on("/PluginFlyvemdmInvitation/8", recorded(t, "106-invitation-get"))
	show(Get[Invitation](ctx, s, 8))
	if n := strings.Count(out.String(), "<nil>\n"); n != 4 {
		t.Fatalf("not all were read:\n%s", out.String())
	}
	show(s, nil)
	show(*s, nil)
	show(s.Scope(ctx))

	// GLPI repeats what it was sent, and the network names what it called.
	g.on("/initSession", says(400, `["ERROR_WRONG_APP_TOKEN_PARAMETER","verysecretapptoken verysecretpassword"]`))
	show(c.SignIn(ctx, "ada", "verysecretpassword"))
	g.on("/initSession", says(400, `["ERROR_WRONG_APP_TOKEN_PARAMETER","verysecretapptoken verysecretusertoken"]`))
	show(c.SignInWithToken(ctx, "verysecretusertoken"))
	g.on("/PluginFlyvemdmFleet/6", says(500, `["ERROR","about `+alice+`"]`))
	show(Get[Fleet](ctx, s, 6))
	g.on("/PluginFlyvemdmFleet/7", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	show(Get[Fleet](ctx, s, 7))
	g.Close()
	show(c.SignIn(ctx, "ada", "verysecretpassword"))
	show(c.SignInWithToken(ctx, "verysecretusertoken"))
	show(Search[User](ctx, s, Query{Criteria: []Criterion{{Field: 5, Type: Exactly, Value: "verysecretpassword"}}}))
	show(c.Health(), nil)
	families, err := registry.Gather()
	show(families, err)

	for _, secret := range secretTexts {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%s came out", secret)
		}
	}
}

// secretColumns are what GLPI tells of items and no field here has a place for.
var secretColumns = []string{
	"api_token", "personal_token", "invitation_token", "mqttpasswd", "password", "password_forget_token", "enroll_token",
	"notification_token", "android_bugcollector_passwd", "pin", "pin2", "puk", "puk2", "msin",
}

// Whatever GLPI was ever seen to answer, decoded as whatever there is: no secret of it comes out.
func TestNoSecretOfAnyTranscriptIsDecoded(t *testing.T) {
	recordings, err := filepath.Glob("../internal/sim/glpi/testdata/transcripts/*.json")
	if err != nil {
		t.Fatal(err)
	}
	own, err := filepath.Glob("testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]int{}
	for _, file := range append(recordings, own...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var exchange struct {
			Response struct{ Body json.RawMessage }
		}
		if json.Unmarshal(text, &exchange) != nil {
			continue // the messages on the broker
		}
		refuseSecrets(t, file, exchange.Response.Body, told)
	}
	for _, column := range []string{"api_token", "invitation_token", "mqttpasswd", "enroll_token"} {
		if told[column] == 0 {
			t.Errorf("no transcript has a value of %s: nothing was tried", column)
		}
	}
}

// A row with a value in each of the secret columns, those included that were never seen filled.
func TestNoSecretColumnHasAField(t *testing.T) {
	row := map[string]any{"id": 1, "name": "x"}
	for _, column := range secretColumns {
		row[column] = "secret of " + column
	}
	devices := map[string]any{}
	for _, kind := range []string{"Memory", "Processor", "Battery", "Simcard"} {
		devices["Item_Device"+kind] = map[string]any{"7": maps.Clone(row)}
	}
	row["_devices"], row["_softwares"] = devices, []any{maps.Clone(row)}
	body, err := json.Marshal(map[string]any{"session": row, "rows": []any{row}})
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]int{}
	refuseSecrets(t, "a made-up row", body, told)
	for _, column := range secretColumns {
		if told[column] == 0 {
			t.Errorf("%s was not tried", column)
		}
	}
}

// refuseSecrets decodes every object of a body as everything, and counts the secrets that were in it by column.
func refuseSecrets(t *testing.T, name string, body json.RawMessage, told map[string]int) {
	t.Helper()
	var decoded strings.Builder
	secrets := map[string]string{}
	eachObject(body, func(r row) {
		for column, value := range r {
			if text := plain(value); slices.Contains(secretColumns, column) && len(text) > 3 {
				secrets[text] = column
				told[column]++
			}
		}
		for _, as := range itemDecoders {
			item, err := as(r)
			fmt.Fprintf(&decoded, "%+v %v\n", item, err)
		}
		scope, err := decodeScope(r)
		fmt.Fprintf(&decoded, "%+v %v\n", scope, err)
		fmt.Fprintf(&decoded, "%+v\n", decodeInventory(r, Devices|Disks|NetworkPorts|Software, time.UTC))
	})
	config, err := decodeConfig(body)
	fmt.Fprintf(&decoded, "%+v %v\n", config, err)
	for secret, column := range secrets {
		if strings.Contains(decoded.String(), secret) {
			t.Errorf("%s: a value of %s came out", name, column)
		}
	}
}

// eachObject visits the objects of a JSON value, however deep.
func eachObject(raw json.RawMessage, visit func(row)) {
	if r, err := parseRow(raw); err == nil {
		visit(r)
	}
	list, _ := members(raw)
	for _, m := range list {
		eachObject(m.value, visit)
	}
}

// Searches give any column that they are asked for; none of GLPI's search options is a secret.
func TestNoSearchOptionIsASecret(t *testing.T) {
	options := 0
	for _, name := range []string{"132-agent-search-options", "112-invitation-list-options"} {
		text, err := os.ReadFile("../internal/sim/glpi/testdata/transcripts/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		eachObject(text, func(r row) {
			if field := r.text("field"); field != "" {
				options++
				if slices.Contains(secretColumns, field) {
					t.Errorf("%s: %s", name, field)
				}
			}
		})
	}
	if options < 10 {
		t.Errorf("only %d search options were looked at", options)
	}
}
