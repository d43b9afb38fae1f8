package glpiproxy

import "context"

// AgentChange is what can be changed of an agent. Commands to its device are
// functions of their own: Lock, Wipe, Unenroll, Ping and the like.
type AgentChange struct {
	Name *string
	// FleetID is a fleet of the agent's own entity, or a recursive one of an entity
	// above it. GLPI itself would take any company's.
	FleetID *int
}

func (AgentChange) changes(Agent) {}

func (c AgentChange) write(f *fields) {
	f.renamed("name", c.Name)
	if c.FleetID != nil {
		f.link("plugin_flyvemdm_fleets_id", Fleet{}, *c.FleetID)
	}
}

// suits refuses a fleet whose devices are another entity's.
func (c AgentChange) suits(ctx context.Context, w *writer, agent Agent) error {
	if c.FleetID == nil {
		return nil
	}
	fleet, _ := w.known[reference{Fleet{}.itemtype(), *c.FleetID}].Item.(Fleet)
	if fleet.EntityID == agent.EntityID || fleet.Recursive && isAbove(ctx, w.s, fleet.EntityID, agent.EntityID) {
		return nil
	}
	return &Error{Kind: Invalid, Operation: w.operation, Message: "the fleet belongs to another entity than the agent"}
}

// maxLevels bounds the walk up the tree of entities.
const maxLevels = 50

// isAbove tells whether an entity is an ancestor of another, as far as the viewer can
// see.
func isAbove(ctx context.Context, s *Session, ancestor, entityID int) bool {
	for range maxLevels {
		entity, err := Get[Entity](ctx, s, entityID)
		if err != nil || entity.ParentID < 0 {
			return false
		}
		if entity.ParentID == ancestor {
			return true
		}
		entityID = entity.ParentID
	}
	return false
}
