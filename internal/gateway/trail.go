package gateway

import (
	"fmt"
	"io"

	"fleetgate/internal/audit"
	"fleetgate/internal/settings"
)

// openTrail opens the audit trail, with its copy in a file where that is wanted.
func (g *Gateway) openTrail(s settings.Gateway) (*audit.Trail, error) {
	if s.AuditLog == "" {
		g.auditCopy = io.NopCloser(nil)
		return audit.NewTrail(g.store), nil
	}
	file, err := audit.OpenFile(s.AuditLog)
	if err != nil {
		return nil, fmt.Errorf("--audit-log: %w", err)
	}
	g.auditCopy = file
	return audit.NewTrail(g.store, file), nil
}
