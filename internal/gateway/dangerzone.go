package gateway

import (
	"fmt"

	"fleetgate/internal/dangerzone"
)

// openDangerZone makes the desk for what can't be undone.
func (g *Gateway) openDangerZone(secret string) (*dangerzone.Desk, error) {
	desk, err := dangerzone.New(dangerzone.Options{Bridge: g.bridge, Secret: []byte(secret), Logger: g.log})
	if err != nil {
		return nil, fmt.Errorf("the danger zone: %w", err)
	}
	return desk, nil
}
