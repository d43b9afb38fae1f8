package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"fleetgate/bridge"
	"fleetgate/internal/settings"
	"fleetgate/internal/store"
)

const (
	eventLogName  = "device-events"
	eventsKept    = 10_000
	eventsKeptFor = 24 * time.Hour
	// leaseLife bounds how long events wait when the replica that writes them dies.
	leaseLife = 4 * time.Second
)

// openStore opens what the settings say is to keep things: a Redis, a file in the data folder, or a file that ends
// with the process.
func openStore(s settings.Gateway) (store.Store, error) {
	if s.RedisURL != "" {
		shared, err := store.OpenRedis(s.RedisURL)
		if err != nil {
			return nil, fmt.Errorf("--redis-url: %w", err)
		}
		return shared, nil
	}
	own, err := store.OpenFile(s.DataDir)
	if err != nil {
		return nil, fmt.Errorf("--data-dir: %w", err)
	}
	return own, nil
}

// leaderOf decides which replica writes the event log. A gateway by itself always does: nil.
func leaderOf(s settings.Gateway, kept store.Store, log *slog.Logger) *store.Lease {
	if s.RedisURL == "" {
		return nil
	}
	return store.NewLease(kept, "bridge", leaseLife, log)
}

// eventLog is the bridge's log in the store.
type eventLog struct{ store store.Store }

func (l eventLog) Append(ctx context.Context, entries ...[]byte) error {
	return l.store.Append(ctx, eventLogName, store.Bounds{Entries: eventsKept, Age: eventsKeptFor}, entries...)
}

func (l eventLog) Read(ctx context.Context, after bridge.LogID, limit int) ([]bridge.LogEntry, error) {
	var place store.ID
	place.Millisecond, place.Sequence = after.Parts()
	found, err := l.store.Read(ctx, eventLogName, place, limit, true)
	return bridgeEntries(found), err
}

func (l eventLog) Tail(ctx context.Context, limit int) ([]bridge.LogEntry, error) {
	found, err := l.store.Tail(ctx, eventLogName, limit)
	return bridgeEntries(found), err
}

func bridgeEntries(found []store.Entry) []bridge.LogEntry {
	entries := make([]bridge.LogEntry, len(found))
	for i, e := range found {
		entries[i] = bridge.LogEntry{ID: bridge.NewLogID(e.ID.Millisecond, e.ID.Sequence), Value: e.Value}
	}
	return entries
}
