package graph

import (
	"context"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// inventoryLoaders read what inventories tell of computers, by the computer's id.
type inventoryLoaders struct {
	systems *loader[*model.OperatingSystem]
}

func newInventoryLoaders(s *glpiproxy.Session) inventoryLoaders {
	return inventoryLoaders{
		systems: found(func(ctx context.Context, computerIDs []int) (map[int]*model.OperatingSystem, error) {
			return operatingSystems(ctx, s, computerIDs)
		}),
	}
}

func systems(l *loaders) *loader[*model.OperatingSystem] { return l.systems }

// operatingSystems reads what runs on computers, by their ids.
func operatingSystems(ctx context.Context, s *glpiproxy.Session, computerIDs []int) (map[int]*model.OperatingSystem, error) {
	found, err := glpiproxy.SystemsOf(ctx, s, computerIDs)
	if err != nil {
		return nil, err
	}
	shown := make(map[int]*model.OperatingSystem, len(found))
	for id, system := range found {
		if system != (glpiproxy.System{}) {
			shown[id] = &model.OperatingSystem{System: system}
		}
	}
	return shown, nil
}
