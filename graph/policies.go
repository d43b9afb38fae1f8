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

// anyPolicy is the key for which a loader of a catalogue reads all of it.
var anyPolicy = []int{0}

// beginPolicies begins to read the catalogues that what is asked for below is described by.
func (l *loaders) beginPolicies(ctx context.Context) {
	if asksFor(ctx, "Task", "policy") || asksFor(ctx, "Task", "value") {
		l.policies.beginAll(ctx, anyPolicy)
	}
	if asksFor(ctx, "Policy", "category") {
		l.policyCategories.beginAll(ctx, anyPolicy)
	}
}

// allPolicies reads the catalogue of policies.
func allPolicies(ctx context.Context) ([]*model.Policy, error) {
	if l, err := load(ctx); err == nil {
		l.beginPolicies(ctx)
	}
	return catalogue(ctx, func(p glpiproxy.Policy) *model.Policy { return &model.Policy{Policy: p} })
}

// allCategories reads the catalogue of their categories.
func allCategories(ctx context.Context) ([]*model.PolicyCategory, error) {
	return catalogue(ctx, func(c glpiproxy.PolicyCategory) *model.PolicyCategory {
		return &model.PolicyCategory{PolicyCategory: c}
	})
}

// categoriesByID are all categories: one call, and mostly none.
func categoriesByID(ctx context.Context) (map[int]*model.PolicyCategory, error) {
	all, err := allCategories(ctx)
	byID := make(map[int]*model.PolicyCategory, len(all))
	for _, c := range all {
		byID[c.ID] = c
	}
	return byID, err
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
