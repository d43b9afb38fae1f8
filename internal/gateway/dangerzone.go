package gateway

import (
	"fmt"

	"fleetgate/graph/model"
	"fleetgate/internal/audit"
	"fleetgate/internal/dangerzone"
	"fleetgate/internal/settings"
)

// openDangerZone makes the desk for what can't be undone.
func (g *Gateway) openDangerZone(s settings.Gateway, secret string, trail *audit.Trail) (*dangerzone.Desk, error) {
	options := dangerzone.Options{
		Bridge: g.bridge, Store: g.store, Audit: trail, GlobalID: model.GlobalID, Secret: []byte(secret),
		Timeout: s.DangerZoneTimeout, Logger: g.log,
	}
	if g.service != nil {
		options.Service = g.serviceSession
	}
	if g.leader != nil {
		options.Leads = g.leader.Held
	}
	desk, err := dangerzone.New(options)
	if err != nil {
		return nil, fmt.Errorf("the danger zone: %w", err)
	}
	return desk, nil
}
