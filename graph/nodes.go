package graph

import (
	"context"
	"sync"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// mostNodes bounds how many objects `nodes` reads at once.
const mostNodes = largestPage

// nodeReader reads nodes of one type by GLPI's ids: one node or one error for each, in the order asked.
type nodeReader func(ctx context.Context, ids []int) ([]model.Node, []error)

// nodeReaders are the types of nodes, by their names in the schema: each type that implements Node has one line.
// Items that GLPI reads by their id alone take reader; those of another kind bring a nodeReader of their own.
var nodeReaders = map[string]nodeReader{
	"Agent":          reader(func(a glpiproxy.Agent) model.Node { return &model.Agent{Agent: a} }),
	"Application":    reader(func(a glpiproxy.Application) model.Node { return &model.Application{Application: a, Whole: true} }),
	"Computer":       reader(func(c glpiproxy.Computer) model.Node { return &model.Computer{Computer: c} }),
	"Entity":         reader(func(e glpiproxy.Entity) model.Node { return &model.Entity{Entity: e} }),
	"File":           reader(func(f glpiproxy.File) model.Node { return &model.File{File: f} }),
	"Fleet":          reader(func(f glpiproxy.Fleet) model.Node { return &model.Fleet{Fleet: f} }),
	"Invitation":     reader(func(i glpiproxy.Invitation) model.Node { return &model.Invitation{Invitation: i} }),
	"Policy":         policyNodes,
	"PolicyCategory": reader(func(c glpiproxy.PolicyCategory) model.Node { return &model.PolicyCategory{PolicyCategory: c} }),
	"Task":           reader(func(t glpiproxy.Task) model.Node { return &model.Task{Task: t} }),
	"User":           reader(func(u glpiproxy.User) model.Node { return &model.User{User: u} }),
	"WellKnownPath":  reader(func(p glpiproxy.WellKnownPath) model.Node { return &model.WellKnownPath{WellKnownPath: p} }),
}

// reader reads nodes that are items of GLPI's, in batches.
func reader[T glpiproxy.Item](wrap func(T) model.Node) nodeReader {
	return func(ctx context.Context, ids []int) ([]model.Node, []error) {
		nodes, errs := make([]model.Node, len(ids)), make([]error, len(ids))
		results, err := readMany[T](ctx, ids)
		for i := range ids {
			switch {
			case err != nil:
				errs[i] = err
			case results[i].Err != nil:
				errs[i] = hidden(results[i].Err)
			default:
				nodes[i] = wrap(results[i].Item)
			}
		}
		return nodes, errs
	}
}

func readMany[T glpiproxy.Item](ctx context.Context, ids []int) ([]glpiproxy.Result[T], error) {
	s, err := readable[T](ctx)
	if err != nil {
		return nil, err
	}
	return glpiproxy.GetMany[T](ctx, s, ids)
}

// single reads one item; one that GLPI hides looks like one that is not there.
func single[T glpiproxy.Item](ctx context.Context, id int) (T, error) {
	s, err := readable[T](ctx)
	if err != nil {
		var none T
		return none, err
	}
	item, err := glpiproxy.Get[T](ctx, s, id)
	return item, hidden(err)
}

// nodeReader is the reader of a type; nil where there are no nodes of it.
func (r *Resolver) nodeReader(typename string) nodeReader {
	if typename == "DangerZoneOperation" { // the gateway's own
		return r.operationNodes
	}
	return nodeReaders[typename]
}

// readNode reads any node by its global id.
func (r *Resolver) readNode(ctx context.Context, globalID string) (model.Node, error) {
	if _, err := session(ctx); err != nil {
		return nil, err
	}
	typename, id, err := r.parseNodeID(globalID)
	if err != nil {
		return nil, err
	}
	nodes, errs := r.nodeReader(typename)(ctx, []int{id})
	return nodes[0], errs[0]
}

// readNodes reads many nodes, in the order asked: a batch for each type, the types side by side. What can't be
// read is null with an error at its place.
func (r *Resolver) readNodes(ctx context.Context, globalIDs []string) ([]model.Node, error) {
	if len(globalIDs) > mostNodes {
		return nil, badInput("ids: %d are too many; %d at most", len(globalIDs), mostNodes)
	}
	if _, err := session(ctx); err != nil {
		return nil, err
	}
	nodes := make([]model.Node, len(globalIDs))
	ids, places := map[string][]int{}, map[string][]int{}
	for place, globalID := range globalIDs {
		typename, id, err := r.parseNodeID(globalID)
		if err != nil {
			addErrorAt(ctx, place, err)
			continue
		}
		ids[typename], places[typename] = append(ids[typename], id), append(places[typename], place)
	}
	var wg sync.WaitGroup
	for typename := range ids {
		wg.Go(func() {
			found, errs := r.nodeReader(typename)(ctx, ids[typename])
			for i, place := range places[typename] {
				if nodes[place] = found[i]; errs[i] != nil {
					addErrorAt(ctx, place, errs[i])
				}
			}
		})
	}
	wg.Wait()
	return nodes, nil
}

func (r *Resolver) parseNodeID(globalID string) (typename string, id int, err error) {
	typename, id, err = model.ParseGlobalID(globalID)
	if err != nil {
		return "", 0, badInput("id: %s", err)
	}
	if r.nodeReader(typename) == nil {
		return "", 0, badInput("id: there are no nodes of the type %q", typename)
	}
	return typename, id, nil
}
