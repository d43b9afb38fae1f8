package graph

import (
	"context"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// catalogue reads the whole of a list that is the same for every company.
func catalogue[T glpiproxy.Item, M any](ctx context.Context, wrap func(T) M) ([]M, error) {
	s, err := readable[T](ctx)
	if err != nil {
		return nil, err
	}
	all := []M{}
	for {
		p, err := glpiproxy.List[T](ctx, s, glpiproxy.ListOptions{Range: glpiproxy.Range{Start: len(all), Count: chunk}})
		if err != nil {
			return nil, err
		}
		for _, item := range p.Items {
			all = append(all, wrap(item))
		}
		if len(p.Items) == 0 || len(all) >= p.Total {
			return all, nil
		}
	}
}

// category is a policy category by its id, from the catalogue: one call for all of them, and mostly none.
func category(ctx context.Context, id int) (*model.PolicyCategory, error) {
	if id <= 0 {
		return nil, nil
	}
	all, err := catalogue(ctx, func(c glpiproxy.PolicyCategory) *model.PolicyCategory {
		return &model.PolicyCategory{PolicyCategory: c}
	})
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		if c.ID == id {
			return c, nil
		}
	}
	return nil, notFound()
}

// policiesByID are all policies. GLPI's items of one policy hide the bounds of its value, which the list has.
func policiesByID(ctx context.Context) (map[int]*model.Policy, error) {
	all, err := catalogue(ctx, func(p glpiproxy.Policy) *model.Policy { return &model.Policy{Policy: p} })
	if err != nil {
		return nil, err
	}
	byID := make(map[int]*model.Policy, len(all))
	for _, p := range all {
		byID[p.ID] = p
	}
	return byID, nil
}

// policyNodes finds policies among all.
func policyNodes(ctx context.Context, ids []int) ([]model.Node, []error) {
	nodes, errs := make([]model.Node, len(ids)), make([]error, len(ids))
	all, err := policiesByID(ctx)
	for i, id := range ids {
		switch {
		case err != nil:
			errs[i] = err
		case all[id] == nil:
			errs[i] = notFound()
		default:
			nodes[i] = all[id]
		}
	}
	return nodes, errs
}
