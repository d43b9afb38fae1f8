package glpiproxy

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// recordedAgents is a list of agents as GLPI gives it, made of a recorded one.
func recordedAgents(b *testing.B, n int) json.RawMessage {
	b.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "129-agent-get-as-admin.json"))
	if err != nil {
		b.Fatal(err)
	}
	var exchange struct {
		Response struct{ Body json.RawMessage }
	}
	if err := json.Unmarshal(text, &exchange); err != nil {
		b.Fatal(err)
	}
	rows := make([]string, n)
	for i := range rows {
		var agent map[string]any
		if err := json.Unmarshal(exchange.Response.Body, &agent); err != nil {
			b.Fatal(err)
		}
		agent["id"] = i + 1
		row, err := json.Marshal(agent)
		if err != nil {
			b.Fatal(err)
		}
		rows[i] = string(row)
	}
	return json.RawMessage("[" + strings.Join(rows, ",") + "]")
}

// BenchmarkDecode is the cost of one agent of a page of 50, from GLPI's JSON to its struct.
func BenchmarkDecode(b *testing.B) {
	const page = 50
	raw := recordedAgents(b, page)
	b.ReportAllocs()
	for b.Loop() {
		items, err := decodeItems[Agent](raw, time.UTC)
		if err != nil || len(items) != page {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*page), "ns/item")
}

// benchGLPI answers sessions, fleets one by one and in batches, and a list of them.
func benchGLPI(b *testing.B, ttl time.Duration) *Session {
	b.Helper()
	g := newGLPI(b)
	g.fleets()
	page := make([]string, 50)
	for i := range page {
		page[i] = fleetBody(i + 1)
	}
	g.on("/PluginFlyvemdmFleet", says(http.StatusOK, "["+strings.Join(page, ",")+"]", "Content-Range", "0-49/50"))
	s := g.client(func(o *Options) { o.CacheTTL = ttl }).Resume(alice)
	if _, err := s.Scope(context.Background()); err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkList reads a page of 50 fleets, from the cache and over loopback from a GLPI that takes no time.
func BenchmarkList(b *testing.B) {
	for name, ttl := range map[string]time.Duration{"cached": time.Hour, "asked": -1} {
		b.Run(name, func(b *testing.B) {
			s := benchGLPI(b, ttl)
			b.ReportAllocs()
			for b.Loop() {
				if page, err := List[Fleet](context.Background(), s, ListOptions{}); err != nil || len(page.Items) != 50 {
					b.Fatal(len(page.Items), err)
				}
			}
		})
	}
}

// BenchmarkGetMany reads fleets by their ids: a page's worth in one call, and one by one.
func BenchmarkGetMany(b *testing.B) {
	for name, c := range map[string]struct {
		ttl time.Duration
		n   int
	}{"cached/50": {time.Hour, 50}, "batch/50": {-1, 50}, "single": {-1, 1}} {
		b.Run(name, func(b *testing.B) {
			s := benchGLPI(b, c.ttl)
			wanted := ids(1, c.n)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := GetMany[Fleet](context.Background(), s, wanted); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkQueue is what waiting for one's turn costs when nobody else is there.
func BenchmarkQueue(b *testing.B) {
	for _, sessions := range []int{1, 1000} {
		b.Run(fmt.Sprint(sessions), func(b *testing.B) {
			q := newQueue("calls", 8, 4, func(float64) {})
			names := make([]string, sessions)
			for i := range names {
				names[i] = fmt.Sprint(i)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				session := names[i%sessions]
				i++
				if err := q.enter(context.Background(), session); err != nil {
					b.Fatal(err)
				}
				q.leave(session)
			}
		})
	}
}
