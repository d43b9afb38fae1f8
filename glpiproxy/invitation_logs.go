package glpiproxy

import (
	"context"
	"maps"
	"slices"
)

// GLPI's search options of the log of invitations.
const (
	logOptionAt         = 3
	logOptionInvitation = 4
	logOptionEvent      = 5
)

// LogsOf reads why enrolments with invitations failed, the oldest first, by the invitation's id, in few calls. Each
// invitation has an entry, but for those that the viewer can't see.
func LogsOf(ctx context.Context, s *Session, invitationIDs []int) (map[int][]InvitationLog, error) {
	if err := checkLogs(ctx, s); err != nil {
		return nil, err
	}
	seen, err := getSome[Invitation](ctx, s, invitationIDs)
	if err != nil {
		return nil, err
	}
	var invitations []Invitation
	for _, result := range seen {
		if result.Err == nil {
			invitations = append(invitations, result.Item)
		}
	}
	return LogsOfSeen(ctx, s, invitations)
}

// LogsOfSeen is LogsOf for invitations that the viewer was shown by GLPI this moment: GLPI itself would tell anybody of
// any.
func LogsOfSeen(ctx context.Context, s *Session, invitations []Invitation) (map[int][]InvitationLog, error) {
	logs := map[int][]InvitationLog{}
	if err := checkLogs(ctx, s); err != nil || len(invitations) == 0 {
		return logs, err
	}
	for _, i := range invitations {
		logs[i.ID] = nil
	}
	rows, err := searchByOwners(ctx, s, InvitationLog{}.itemtype(), logOptionInvitation, slices.Sorted(maps.Keys(logs)),
		Query{Columns: []int{logOptionAt, logOptionInvitation, logOptionEvent}})
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		entry := InvitationLog{
			ID: row.ID(), InvitationID: row.Int(logOptionInvitation), At: row.Time(logOptionAt), Event: row.Text(logOptionEvent),
		}
		if own, asked := logs[entry.InvitationID]; asked {
			logs[entry.InvitationID] = append(own, entry)
		}
	}
	return logs, nil
}

func checkLogs(ctx context.Context, s *Session) error {
	scope, err := s.Scope(ctx)
	if err == nil && !Can[InvitationLog](scope, Read) {
		err = &Error{Kind: Forbidden, Operation: "search", Message: "the profile lacks the right on flyvemdm:invitationLog"}
	}
	return err
}

// LatestLogs reads the newest entries of the log of all invitations, the newest first. GLPI shows every company's: it
// is for the gateway's own account only.
func LatestLogs(ctx context.Context, s *Session, count int) ([]InvitationLog, error) {
	page, err := readList[InvitationLog](ctx, s, "list", "/"+InvitationLog{}.itemtype(),
		ListOptions{Sort: "id", Descending: true, Range: Range{Count: count}, Fresh: true}, nil)
	return page.Items, err
}
