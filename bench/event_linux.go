package main

import (
	"encoding/json"
	"fmt"
)

// events is the document of the subscriptions that are measured: what a dashboard's map shows of a device.
const events = `subscription Events($filter: DeviceEventFilter) {
  deviceEvents(filter: $filter) {
    cursor
    at
    kind
    entityId
    serial
    agent { id name version }
    ... on PositionReported { position { latitude longitude at } }
  }
}`

// positions is the filter of the subscriptions.
func positions() map[string]any {
	return map[string]any{"filter": map[string]any{"kinds": []string{"POSITION_REPORTED"}}}
}

// eventTopic is where Mosquitto's subscribers listen when it is measured itself.
const eventTopic = "events"

// event is a device's word of where it is. Its number travels as a latitude, in millionths of a degree, through every
// server.
type event struct{ number int }

// device is the event as a device publishes it.
func (e event) device() []byte {
	return fmt.Appendf(nil, `{"latitude": %.6f, "longitude": 2.35}`, float64(e.number)/1e6)
}

// peer is the event as the servers are given it that have no devices: what Fleetgate makes of one.
func (e event) peer() []byte {
	return fmt.Appendf(nil, `{"cursor":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","at":"2026-11-21T16:00:00.123456789Z","kind":"POSITION_REPORTED",`+
		`"entityId":"RW50aXR5OjM","serial":"R58M31000K","agent":{"id":"QWdlbnQ6MQ","name":"elodie.obrien@acme.test","version":"2.0.6"},`+
		`"position":{"latitude":%.6f,"longitude":2.35,"at":"2026-11-21T16:00:00Z"}}`, float64(e.number)/1e6)
}

// response is the event as a response of GraphQL, which is what Mosquitto's subscribers get: as many bytes as those of
// the others.
func (e event) response() []byte {
	text, _ := json.Marshal(map[string]any{"data": map[string]any{"deviceEvents": json.RawMessage(e.peer())}}) // it is JSON
	return text
}
