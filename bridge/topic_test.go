package bridge

import (
	"strings"
	"testing"
)

func TestParseTopic(t *testing.T) {
	device := DeviceKey{EntityID: 1, Serial: "SN-1"}
	for topic, want := range map[string]address{
		"1/agent/SN-1/Status/Online":               {device, "Status", "Online", 0},
		"/1/agent/SN-1/Status/Online":              {device, "Status", "Online", 0},
		"1/agent/SN-1/Status/Task/17":              {device, "Status", "Task", 17},
		"1/agent/SN-1/Command/Lock":                {device, "Command", "Lock", 0},
		"/1/agent/SN-1/Command/Unenroll":           {device, "Command", "Unenroll", 0},
		"1/agent/SN-1/Policy/disableCamera/Task/2": {device, "Policy", "", 0},
		"0/agent/SN-1/Status/Ping":                 {DeviceKey{0, "SN-1"}, "Status", "Ping", 0},
		"1/agent/ü $ 54%./Status/Ping":             {DeviceKey{1, "ü $ 54%."}, "Status", "Ping", 0},
	} {
		got, err := parseTopic(topic)
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v; want %+v", topic, got, err, want)
		}
	}
}

func TestParseTopicRefuses(t *testing.T) {
	for topic, want := range map[string]error{
		"":                                       refusedUnknownTopic,
		"/Status/Online":                         refusedUnknownTopic, // a will of an agent without a topic
		"1/fleet/2/Policy/x":                     refusedUnknownTopic,
		"1/agent/SN-1/Status":                    refusedUnknownTopic,
		"1/agent/SN-1/Status/Health":             refusedUnknownTopic,
		"1/agent/SN-1/Status/online":             refusedUnknownTopic,
		"1/agent/SN-1/Status/Online/more":        refusedUnknownTopic,
		"1/agent/SN-1/Status/Task":               refusedUnknownTopic,
		"1/agent/SN-1/Status/Task/0":             refusedUnknownTopic,
		"1/agent/SN-1/Status/Task/x":             refusedUnknownTopic,
		"1/agent/SN-1/Status/Task/1/2":           refusedUnknownTopic,
		"1/agent/SN-1/Command/Explode":           refusedUnknownTopic,
		"1/agent/SN-1/command/Ping":              refusedUnknownTopic,
		"//1/agent/SN-1/Status/Ping":             refusedUnknownTopic,
		"x/agent/SN-1/Status/Ping":               refusedEntity,
		"-1/agent/SN-1/Status/Ping":              refusedEntity,
		"+1/agent/SN-1/Status/Ping":              refusedEntity,
		"01/agent/SN-1/Status/Ping":              refusedEntity,
		"1 /agent/SN-1/Status/Ping":              refusedEntity,
		"١/agent/SN-1/Status/Ping":               refusedEntity, // an Arabic one
		"99999999999/agent/SN-1/Status/Ping":     refusedEntity,
		"/agent/SN-1/Status/Ping":                refusedUnknownTopic,
		"1/agent//Status/Ping":                   refusedSerial,
		"1/agent/+/Status/Ping":                  refusedSerial,
		"1/agent/a#/Status/Ping":                 refusedSerial,
		"1/agent/a\x00b/Status/Ping":             refusedSerial,
		"1/agent/a\nb/Status/Ping":               refusedSerial,
		"1/agent/\xff/Status/Ping":               refusedSerial,
		"1/agent/" + long(129) + "/Status/Ping":  refusedSerial,
		"1/agent/SN-1/Policy/" + long(maxTopic):  refusedTopicTooLong,
		"1/agent/SN-1/Status/Task/" + long(4000): refusedTopicTooLong,
	} {
		if got, err := parseTopic(topic); err != want {
			t.Errorf("%.60q: got %+v, %v; want %v", topic, got, err, want)
		}
	}
}

func long(length int) string { return strings.Repeat("7", length) }
