package glpiproxy

import (
	"context"
	"errors"
)

// EntityRef names an entity.
type EntityRef struct {
	ID           int
	CompleteName string // "Root entity > ACME > Paris"
}

// Entities lists every entity that the session's active profile reaches, active or not, in no particular order: what
// SwitchEntity takes.
func (s *Session) Entities(ctx context.Context) ([]EntityRef, error) {
	const operation = "getMyEntities"
	a, raw, err := s.callJSON(ctx, call{operation: operation, path: "/getMyEntities", query: "is_recursive=true"})
	if err != nil {
		return nil, err
	}
	r, err := parseRow(raw)
	if err != nil {
		return nil, unexpected(operation, a.status, err)
	}
	list, ok := members(r["myentities"])
	if !ok {
		return nil, unexpected(operation, a.status, errors.New("no entities in the answer"))
	}
	entities := make([]EntityRef, 0, len(list))
	for _, m := range list {
		e, err := parseRow(m.value)
		if err != nil {
			return nil, unexpected(operation, a.status, err)
		}
		entities = append(entities, EntityRef{ID: e.int("id"), CompleteName: e.text("name")})
	}
	return entities, nil
}
