package bridge

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// kind of a message, as the metrics name it.
type messageKind string

const (
	kindOnline      messageKind = "online"
	kindPing        messageKind = "ping"
	kindGeolocation messageKind = "geolocation"
	kindInventory   messageKind = "inventory"
	kindUnenroll    messageKind = "unenroll"
	kindTask        messageKind = "task"
	kindCommand     messageKind = "command"
)

// statusKinds are what a device says of itself, by the topic's level below Status.
var statusKinds = map[string]messageKind{
	"Online": kindOnline, "Ping": kindPing, "Geolocation": kindGeolocation,
	"Inventory": kindInventory, "Unenroll": kindUnenroll, "Task": kindTask,
}

// taskStatuses are the states that the plugin has for a task.
var taskStatuses = map[string]bool{
	"pending": true, "received": true, "done": true, "failed": true,
	"canceled": true, "incompatible": true, "overriden": true, "waiting": true,
}

// refusal is why a message is not taken in; its text is the reason's label in the metrics.
type refusal string

func (r refusal) Error() string { return string(r) }

const (
	refusedTopicTooLong refusal = "topic_too_long"
	refusedUnknownTopic refusal = "unknown_topic"
	refusedEntity       refusal = "bad_entity"
	refusedSerial       refusal = "bad_serial"
	refusedTooLarge     refusal = "too_large"
	refusedPayload      refusal = "bad_payload"
	refusedRetained     refusal = "retained_status"
	refusedDevices      refusal = "too_many_devices"
	refusedStranger     refusal = "unknown_device"
	refusedWrongEntity  refusal = "wrong_entity"
	refusedTooOften     refusal = "too_often"
	refusedOverflow     refusal = "overflow"
)

// refusals are all of them.
var refusals = []refusal{
	refusedTopicTooLong, refusedUnknownTopic, refusedEntity, refusedSerial, refusedTooLarge, refusedPayload,
	refusedRetained, refusedDevices, refusedStranger, refusedWrongEntity, refusedTooOften, refusedOverflow,
}

// errIgnored is for messages that are in order and say nothing to the bridge.
var errIgnored = errors.New("ignored")

// message is what a device said, or was told.
type message struct {
	device   DeviceKey
	slash    bool // the topic begins with one
	kind     messageKind
	at       time.Time // when it came
	retained bool      // the broker kept it from some time before
	online   bool      // kindOnline
	position Position  // kindGeolocation
	task     TaskStatus
	command  string // the command's name
}

// parseMessage reads one message that came at a time. The error is a refusal or errIgnored.
func parseMessage(topic string, payload []byte, retained bool, at time.Time, maxPayload int) (message, error) {
	a, err := parseTopic(topic)
	if err != nil {
		return message{}, err
	}
	m := message{device: a.device, slash: strings.HasPrefix(topic, "/"), at: at, retained: retained}
	switch a.section {
	case policySection:
		return m, errIgnored
	case commandSection:
		m.kind, m.command = kindCommand, a.name
	default:
		m.kind = statusKinds[a.name]
	}
	if m.kind == kindInventory {
		maxPayload = max(maxPayload, maxInventory)
	}
	switch payload = bytes.TrimSpace(payload); {
	case len(payload) > maxPayload:
		return m, refusedTooLarge
	case len(payload) == 0:
		return m, errIgnored // a retained message is being cleared
	case retained && m.kind == kindCommand:
		return m, errIgnored // sent some time ago, and seen then
	case retained && m.kind != kindOnline:
		return m, refusedRetained // it would count as a sign of life
	}
	return m, m.parsePayload(payload, a.taskID)
}

func (m *message) parsePayload(payload []byte, taskID int) (err error) {
	switch m.kind {
	case kindOnline:
		m.online, err = parseOnline(payload)
	case kindGeolocation:
		m.position, err = parsePosition(payload, m.at)
	case kindTask:
		m.task, err = parseTaskStatus(payload, taskID)
	case kindUnenroll:
		err = checkUnenrolled(payload)
	case kindInventory:
		if payload[0] != '<' {
			err = refusedPayload
		}
	}
	return err // the text of pings and commands does not matter
}

// scalar is a JSON number, text or boolean as text: devices use them one for the other.
type scalar string

func (s *scalar) UnmarshalJSON(raw []byte) error {
	switch raw[0] {
	case '"':
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
		*s = scalar(strings.TrimSpace(text))
	case '{', '[':
		return refusedPayload
	case 'n':
		*s = ""
	default:
		*s = scalar(raw)
	}
	return nil
}

func (s scalar) float() (float64, error) { return strconv.ParseFloat(string(s), 64) }

// bareOnline is what iOS sends: not JSON.
var bareOnline = regexp.MustCompile(`^\{\s*online\s*:\s*(\w+)\s*\}$`)

// parseOnline reads {"online": true}, with the many spellings of a boolean that devices have. The text "false"
// means what it says.
func parseOnline(payload []byte) (bool, error) {
	var body struct{ Online scalar }
	if bare := bareOnline.FindSubmatch(payload); bare != nil {
		body.Online = scalar(bare[1])
	} else if err := json.Unmarshal(payload, &body); err != nil {
		return false, refusedPayload
	}
	switch strings.ToLower(string(body.Online)) {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, refusedPayload
}

// parsePosition reads a position or the word that GPS is off.
func parsePosition(payload []byte, at time.Time) (Position, error) {
	if string(payload) == "?" {
		return Position{}, errIgnored // old agents say so while they search
	}
	var body struct{ Latitude, Longitude, Datetime, GPS scalar }
	if err := json.Unmarshal(payload, &body); err != nil {
		return Position{}, refusedPayload
	}
	position := Position{At: deviceTime(body.Datetime, at)}
	if strings.EqualFold(string(body.GPS), "off") {
		return position, nil
	}
	latitude, err := body.Latitude.float()
	if err != nil || !(latitude >= -90 && latitude <= 90) { // so written, NaN is out too
		return Position{}, refusedPayload
	}
	longitude, err := body.Longitude.float()
	if err != nil || !(longitude >= -180 && longitude <= 180) {
		return Position{}, refusedPayload
	}
	position.Latitude, position.Longitude, position.Available = latitude, longitude, true
	return position, nil
}

// clockSkew is how far ahead of ours a device's clock may be.
const clockSkew = 10 * time.Minute

// firstDate is before any date that a device of today can honestly give. iOS agents divide theirs by 1000.
var firstDate = time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC)

// deviceTime reads a device's date in Unix seconds; where it can't be true, the time of arrival stands in.
func deviceTime(seconds scalar, arrival time.Time) time.Time {
	value, err := seconds.float()
	if err != nil || !(value >= float64(firstDate.Unix()) && value <= float64(arrival.Add(clockSkew).Unix())) {
		return arrival
	}
	return time.Unix(int64(value), 0).UTC()
}

func parseTaskStatus(payload []byte, taskID int) (TaskStatus, error) {
	var body struct{ Status scalar }
	if err := json.Unmarshal(payload, &body); err != nil || !taskStatuses[string(body.Status)] {
		return TaskStatus{}, refusedPayload
	}
	return TaskStatus{TaskID: taskID, Status: string(body.Status)}, nil
}

// checkUnenrolled wants the full word: forgetting a device is not done on a doubtful one.
func checkUnenrolled(payload []byte) error {
	var body struct{ Unenroll scalar }
	if err := json.Unmarshal(payload, &body); err != nil || body.Unenroll != "unenrolled" {
		return refusedPayload
	}
	return nil
}
