package graph

import (
	"context"
	"strconv"
	"sync"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// settingsOf reads the settings of an entity.
func settingsOf(ctx context.Context, entityID int) (*model.EntitySettings, error) {
	s, err := readable[glpiproxy.EntityConfig](ctx)
	if err != nil {
		return nil, err
	}
	scope, err := s.Scope(ctx)
	if err != nil {
		return nil, err
	}
	if !scope.SeesEntity(entityID) {
		return nil, notFound()
	}
	l, err := load(ctx)
	if err != nil {
		return nil, err
	}
	read := configOf(ctx, s, l, entityID)
	entity, err := l.entities.load(ctx, entityID)
	if err != nil {
		return nil, hidden(err)
	}
	config, err := read()
	if err != nil {
		return nil, hidden(err)
	}
	return &model.EntitySettings{
		Of: entity.Entity, Config: config, Scope: scope,
		Above: sync.OnceValues(func() ([]glpiproxy.EntityConfig, error) { return settingsAbove(ctx, s, scope, entity.Entity) }),
	}, nil
}

// configOf begins to read the settings in force in an entity, in one batch with what else is wanted now; those of the root
// entity can't be in one.
func configOf(ctx context.Context, s *glpiproxy.Session, l *loaders, entityID int) func() (glpiproxy.EntityConfig, error) {
	if entityID == 0 {
		return func() (glpiproxy.EntityConfig, error) { return glpiproxy.EntityConfigOf(ctx, s, entityID) }
	}
	return l.entityConfigs.begin(ctx, entityID)
}

// settingsAbove reads the settings of the entities above one, as far up as the viewer sees.
func settingsAbove(ctx context.Context, s *glpiproxy.Session, scope *glpiproxy.Scope, e glpiproxy.Entity) ([]glpiproxy.EntityConfig, error) {
	var above []glpiproxy.EntityConfig
	for scope.SeesEntity(e.ParentID) {
		parent, err := loaded(ctx, entities, e.ParentID)
		if err != nil {
			return nil, err
		}
		config, err := glpiproxy.EntityConfigOf(ctx, s, parent.ID)
		if err != nil && !isUnreadable(err) {
			return nil, err
		}
		if err == nil { // an entity without settings hands on those above it
			above = append(above, config)
		}
		e = parent.Entity
	}
	return above, nil
}

// originOf is the entity that an inherited setting was set for, where the viewer sees it.
func originOf(ctx context.Context, setting *model.TextSetting) (*model.Entity, error) {
	if setting.Source == model.SettingSourceOwn {
		return nil, nil
	}
	above, err := setting.Above()
	if err != nil {
		return nil, err
	}
	for _, config := range above {
		if !setting.IsInherited(config.Inherited) {
			return loaded(ctx, entities, config.ID)
		}
	}
	return nil, nil
}

// agentOptionEntity is GLPI's number for searching devices by their entity.
const agentOptionEntity = 17

// devicesOf counts the devices of an entity itself.
func devicesOf(ctx context.Context, entityID int) (*int, error) {
	return total[glpiproxy.Agent](ctx, glpiproxy.Criterion{
		Field: agentOptionEntity, Type: glpiproxy.Equals, Value: strconv.Itoa(entityID),
	})
}
