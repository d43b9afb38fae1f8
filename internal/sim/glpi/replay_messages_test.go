package glpi

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

var messageFile = regexp.MustCompile(`^mqtt-\d+-(.+)\.json$`)

// readMessages reads what the plugin published during the exchanges of a run of which that was recorded, by the name of
// the exchange; none where nothing was published. Of two records for one name the first counts, since of such exchanges
// only the first is recorded.
func readMessages(t *testing.T, dir string) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata/transcripts", dir, "mqtt-*.json"))
	if err != nil || len(files) == 0 && dir != "" { // the first run's have no exchange's name
		t.Fatalf("no messages in %q: %v", dir, err)
	}
	messages := map[string][]string{}
	for _, file := range files {
		name := messageFile.FindStringSubmatch(filepath.Base(file))[1]
		if _, read := messages[name]; read {
			continue
		}
		if messages[name], err = readMessageFile(file); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	return messages
}

func readMessageFile(file string) ([]string, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var records []struct {
		Direction, Topic, Payload string
		Retain                    int
	}
	if err := json.Unmarshal(raw, &records); err != nil {
		return nil, err
	}
	messages := []string{}
	for _, r := range records {
		if r.Direction == "glpi->broker" {
			messages = append(messages, messageText(r.Topic, r.Payload, r.Retain == 1))
		}
	}
	return messages, nil
}

func messageText(topic, payload string, retain bool) string {
	return fmt.Sprintf("%s %s retain %v", topic, payload, retain)
}

// compareMessages tells how what an exchange published differs from the record, where there is one.
func (r *replayer) compareMessages(e exchange, got []string) []string {
	want, recorded := r.messages[e.name]
	if !recorded || slices.Equal(got, want) {
		return nil
	}
	return []string{fmt.Sprintf("published %q, recorded %q", got, want)}
}
