package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"fleetgate/bridge"
)

// A program of its own that prints which devices of entity 3 come and go. After an interruption it takes up
// the stream where it left it.
func Example() {
	b, err := bridge.New(bridge.Options{URL: "mqtt://127.0.0.1:1883", Username: "fleetgate", Password: "secret"})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	go func() { log.Print("the bridge ended: ", b.Run(ctx)) }()

	entity := bridge.Filter{
		Entities: map[int]struct{}{3: {}},
		Kinds:    map[bridge.Kind]struct{}{bridge.PresenceChanged: {}},
	}
	cursor := ""
	for ctx.Err() == nil {
		subscription, err := b.Subscribe(entity, cursor)
		if errors.Is(err, bridge.ErrResync) {
			cursor = "" // read the present state with b.Device here
			continue
		}
		if err != nil {
			return // the bridge has ended
		}
		for {
			event, err := subscription.Next(ctx)
			if err != nil {
				break // fell behind, or the end: the log may still have what was missed
			}
			cursor = event.Cursor
			fmt.Println(event.At, event.Device.Serial, event.Presence.State)
		}
		subscription.Close()
	}
}

func ExampleNew() {
	_, err := bridge.New(bridge.Options{URL: "http://broker.example"})
	fmt.Println(err)
	// Output: URL has the scheme "http": use mqtt, tcp, mqtts, tls, ssl, ws or wss
}
