package graph

import (
	"context"

	"fleetgate/glpiproxy"
)

// GLPI's search option that the counters need.
const invitationOptionStatus = 4

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
	return total[glpiproxy.User](ctx, people()...)
}
