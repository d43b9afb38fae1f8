package dangerzone

import (
	"context"
	"slices"

	"fleetgate/glpiproxy"
	"fleetgate/internal/audit"
)

// Execute begins what was confirmed, with the viewer's own session, and answers what was written down: the devices that
// have changed since are left alone. The work goes on when the call is over. The error is ErrConfirmation where the
// confirmation was used before.
func (d *Desk) Execute(ctx context.Context, s *glpiproxy.Session, c Confirmed, from string) (*Operation, error) {
	scope, err := s.Scope(ctx)
	if err != nil {
		return nil, err
	}
	seen, err := look(ctx, s, c.AgentIDs)
	if err != nil {
		return nil, err
	}
	id, err := newID()
	if err != nil {
		return nil, err
	}
	op := &Operation{
		ID: id, Action: c.Action, DeleteComputers: c.DeleteComputers, Note: c.Note,
		UserID: scope.UserID, Username: scope.Username, From: from, RequestedAt: d.now().UTC(),
	}
	for i, agentID := range c.AgentIDs {
		op.Targets = append(op.Targets, d.target(c, scope, seen, agentID, c.Prints[i]))
	}
	first, err := d.o.Store.Swap(ctx, usedBucket, c.Nonce, nil, []byte("used"), usedFor)
	if err == nil && !first {
		err = ErrConfirmation
	}
	if err != nil {
		return nil, err
	}
	if err := d.begin(ctx, s, op); err != nil {
		return nil, err
	}
	return op, nil
}

// begin writes an operation down, in the audit trail too, and has it carried out.
func (d *Desk) begin(ctx context.Context, s *glpiproxy.Session, op *Operation) error {
	if err := d.record(ctx, op, "requested"); err != nil {
		return err
	}
	alive, err := d.takeOn(ctx, op.ID)
	if err != nil {
		return err
	}
	if err := d.create(ctx, op); err != nil {
		alive.stop()
		return err
	}
	d.lend(op.ID, s)
	d.announce(ctx, op.ID)
	if !d.spawn(func(ctx context.Context) { d.carryOut(ctx, s, op.ID, alive) }) {
		alive.stop() // the gateway is ending: whoever comes next finds that nothing was asked
	}
	return nil
}

// target is a device as the operation begins with it.
func (d *Desk) target(c Confirmed, scope *glpiproxy.Scope, seen sight, agentID int, print string) Target {
	agent, there := seen.agents[agentID]
	computer := seen.computer(agentID)
	t := Target{
		AgentID: agentID, ComputerID: agent.ComputerID, EntityID: agent.EntityID, ComputerEntityID: computer.EntityID,
		Name: agent.Name, Serial: computer.Serial,
		State: Requested, Message: "It is about to be asked of GLPI.", UpdatedAt: d.now().UTC(),
		Push: agent.NotificationType == "fcm",
	}
	switch c.Action {
	case Wipe:
		t.Again, t.Ignores = agent.Wipe, agent.MDMType == "apple"
	case Unenroll:
		t.Again = agent.EnrollStatus == "unenrolling"
	case CancelWipe:
		t.Again = !agent.Wipe
	}
	switch {
	case !there || !scope.SeesEntity(agent.EntityID):
		t = Target{AgentID: agentID, State: Requested}
		t.become(Failed, d.now(), "It is gone, or no longer yours to see: nothing was done.")
	case seen.print(agentID) != print:
		t.become(Failed, d.now(), "It has changed since it was planned: nothing was done. Plan it again.")
	case t.Serial == "" && c.Action.command() != "":
		t.become(Failed, d.now(), "It has no serial number, so it can't be told: nothing was done.")
	}
	return t
}

// record writes to the audit trail.
func (d *Desk) record(ctx context.Context, op *Operation, outcome string) error {
	entry := audit.Entry{
		At: d.now(), Deed: d.o.GlobalID("DangerZoneOperation", op.ID), Who: audit.Person(op.Username, op.UserID), From: op.From,
		What: "executeDangerZone " + string(op.Action), Outcome: outcome, Note: op.Note,
	}
	for _, t := range op.Targets {
		entry.Targets = append(entry.Targets, d.o.GlobalID("Agent", t.AgentID))
		if t.Step != waiting || t.ComputerID > 0 || t.Name != "" { // else it was gone: nobody knows from where
			entry.Entities = append(entry.Entities, t.EntityID)
		}
	}
	slices.Sort(entry.Entities)
	entry.Entities = slices.Compact(entry.Entities)
	return d.o.Audit.Append(ctx, entry)
}
