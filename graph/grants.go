package graph

import (
	"context"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// grantableProfiles lists the profiles that the viewer may give to others: those that allow nothing which the
// viewer's own does not.
func grantableProfiles(ctx context.Context) ([]*model.NamedEntry, error) {
	s, err := readable[glpiproxy.ProfileName](ctx)
	if err != nil {
		return nil, err
	}
	scope, err := s.Scope(ctx)
	if err != nil {
		return nil, err
	}
	listed, err := glpiproxy.List[glpiproxy.ProfileName](ctx, s, glpiproxy.ListOptions{Sort: "name", Range: glpiproxy.Range{Count: longestChoice}})
	if err != nil {
		return nil, err
	}
	ids := make([]int, len(listed.Items))
	for i, p := range listed.Items {
		ids[i] = p.ID
	}
	results, err := glpiproxy.GetMany[glpiproxy.ProfileName](ctx, s, ids) // lists don't tell the rights
	if err != nil {
		return nil, err
	}
	entries := []*model.NamedEntry{}
	for _, result := range results {
		if result.Err == nil && result.Item.Within(scope) {
			entries = append(entries, profileEntry(result.Item))
		}
	}
	return entries, nil
}
