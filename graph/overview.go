package graph

import (
	"context"

	"fleetgate/glpiproxy"
)

// GLPI's search options that the counters need.
const (
	invitationOptionStatus = 4
	userOptionName         = 1
)

// machineAccountPrefix begins the user names of the accounts that GLPI makes for the devices themselves.
const machineAccountPrefix = "flyvemdm-"

// total counts without reading rows.
func total[T glpiproxy.Item](ctx context.Context, criteria ...glpiproxy.Criterion) (*int, error) {
	s, err := readable[T](ctx)
	if err != nil {
		return nil, err
	}
	n, err := glpiproxy.Count[T](ctx, s, criteria...)
	if err != nil {
		return nil, err
	}
	return &n, nil
}

// countPeople counts users without the accounts of the devices.
func countPeople(ctx context.Context) (*int, error) {
	return total[glpiproxy.User](ctx, glpiproxy.Criterion{
		Link: glpiproxy.AndNot, Field: userOptionName, Type: glpiproxy.BeginsWith, Value: machineAccountPrefix,
	})
}
