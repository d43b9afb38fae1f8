package graph

import (
	"context"
	"slices"
	"strings"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// below stands between the names of entities in a complete name.
const below = " > "

// grantedEntitiesOf is the tree of entities that the active profile reaches, each before those below it.
func grantedEntitiesOf(ctx context.Context, v *model.Viewer) ([]*model.GrantedEntity, error) {
	held, err := v.HeldProfiles()
	if err != nil {
		return nil, err
	}
	reached, err := v.Session.Entities(ctx)
	if err != nil {
		return nil, err
	}
	return entityTree(reached, held, v.Scope), nil
}

// entityTree orders entities by their complete names, which is all that GLPI tells of those that aren't active.
func entityTree(reached []glpiproxy.EntityRef, held []glpiproxy.Profile, scope *glpiproxy.Scope) []*model.GrantedEntity {
	slices.SortFunc(reached, func(a, b glpiproxy.EntityRef) int {
		return strings.Compare(strings.ReplaceAll(a.CompleteName, below, "\x00"), strings.ReplaceAll(b.CompleteName, below, "\x00"))
	})
	recursive := heldRecursively(held, scope.Profile.ID)
	tree := make([]*model.GrantedEntity, 0, len(reached))
	var above []*model.GrantedEntity // the way from the top down to the entity before
	for _, e := range reached {
		for len(above) > 0 && !strings.HasPrefix(e.CompleteName, above[len(above)-1].CompleteName+below) {
			above = above[:len(above)-1]
		}
		entity := &model.GrantedEntity{
			EntityID: model.GlobalID("Entity", e.ID), DatabaseID: e.ID, CompleteName: e.CompleteName, Level: len(above),
			Name: e.CompleteName[strings.LastIndex(below+e.CompleteName, below):], Recursive: recursive[e.ID], Active: scope.SeesEntity(e.ID),
		}
		if len(above) > 0 {
			parent := above[len(above)-1]
			entity.ParentID, entity.Recursive = &parent.EntityID, entity.Recursive || parent.Recursive
			entity.Name = strings.TrimPrefix(e.CompleteName, parent.CompleteName+below)
		}
		tree, above = append(tree, entity), append(above, entity)
	}
	return tree
}

// heldRecursively are the entities in which a profile was granted with those below.
func heldRecursively(held []glpiproxy.Profile, profileID int) map[int]bool {
	recursive := map[int]bool{}
	for _, p := range held {
		for _, e := range p.Entities {
			if p.ID == profileID && e.Recursive {
				recursive[e.ID] = true
			}
		}
	}
	return recursive
}
