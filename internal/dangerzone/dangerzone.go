// Package dangerzone does to devices what can't be undone, without accidents, doubts or leftovers: a plan that changes
// nothing, its confirmation, and an operation that is followed until it is known what became of each device.
//
// It asks GLPI with the viewer's own session and never does more than that may. What is asked is written down before it
// is asked, so that a gateway that dies in between leaves no doubt: whoever takes over looks what GLPI has, and repeats
// nothing. What was seen (the command on the broker, the device's word, GLPI's row) is what an operation's states tell.
package dangerzone

import (
	"errors"
	"log/slog"
	"time"

	"fleetgate/bridge"
)

// Options configure a Desk. All but Now and Logger are required.
type Options struct {
	Bridge *bridge.Bridge
	// Secret seals confirmations: replicas that share a store must share it.
	Secret []byte
	Now    func() time.Time // nil means time.Now
	Logger *slog.Logger     // nil: silent
}

// Desk plans operations, carries them out and follows them. It is safe for concurrent use.
type Desk struct {
	o    Options
	seal *seal
	now  func() time.Time
	log  *slog.Logger
}

// New makes a Desk.
func New(o Options) (*Desk, error) {
	if o.Bridge == nil {
		return nil, errors.New("the danger zone needs the bridge")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	seal, err := newSeal(o.Secret)
	if err != nil {
		return nil, err
	}
	return &Desk{o: o, seal: seal, now: o.Now, log: o.Logger}, nil
}
