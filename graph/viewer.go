package graph

import (
	"context"
	"slices"
	"sync"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// currentViewer describes who is asking.
func (r *Resolver) currentViewer(ctx context.Context) (*model.Viewer, error) {
	asking, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	return r.viewer(ctx, asking.Session, asking.ExpiresAt)
}

// viewer describes whoever holds a session.
func (r *Resolver) viewer(ctx context.Context, s *glpiproxy.Session, expires time.Time) (*model.Viewer, error) {
	scope, err := s.Scope(ctx)
	if err != nil {
		return nil, err
	}
	return &model.Viewer{
		Session: s, Scope: scope,
		HeldProfiles:     sync.OnceValues(func() ([]glpiproxy.Profile, error) { return s.Profiles(ctx) }),
		SessionExpiresAt: model.Moment(expires),
	}, nil
}

// profilesOf lists every profile that the viewer may take.
func profilesOf(v *model.Viewer) ([]*model.Profile, error) {
	held, err := v.HeldProfiles()
	if err != nil {
		return nil, err
	}
	profiles := make([]*model.Profile, 0, len(held))
	for _, p := range held {
		profile := newProfile(p.ID, p.Name)
		for _, e := range p.Entities {
			profile.Entities = append(profile.Entities,
				&model.ProfileEntity{EntityID: model.GlobalID("Entity", e.ID), Name: e.Name, Recursive: e.Recursive})
		}
		profiles = append(profiles, profile)
	}
	return profiles, nil
}

// activeProfileOf is the profile that is active in the session; with the entities it holds in, where these are asked for.
func activeProfileOf(ctx context.Context, v *model.Viewer) (*model.Profile, error) {
	if !asksFor(ctx, "Profile", "entities") {
		return newProfile(v.Scope.Profile.ID, v.Scope.Profile.Name), nil
	}
	profiles, err := profilesOf(v)
	if err != nil {
		return nil, err
	}
	active := slices.IndexFunc(profiles, func(p *model.Profile) bool { return p.DatabaseID == v.Scope.Profile.ID })
	if active < 0 { // granted away since the session began
		return newProfile(v.Scope.Profile.ID, v.Scope.Profile.Name), nil
	}
	return profiles[active], nil
}

// viewersUser is the viewer's own record.
func viewersUser(ctx context.Context, v *model.Viewer) (*model.User, error) {
	if l, err := load(ctx); err == nil { // while signing in there are none
		l.beginOf(ctx, v.Scope.UserID)
	}
	user, err := glpiproxy.Get[glpiproxy.User](ctx, v.Session, v.Scope.UserID)
	if err != nil {
		return nil, err
	}
	return &model.User{User: user}, nil
}

func newProfile(id int, name string) *model.Profile {
	return &model.Profile{ID: model.GlobalID("Profile", id), DatabaseID: id, Name: name, Entities: []*model.ProfileEntity{}}
}

// entitiesOf lists the entities that the session sees; null with an error where the profile may not read one.
func entitiesOf(ctx context.Context, v *model.Viewer) ([]*model.Entity, error) {
	results, err := glpiproxy.GetMany[glpiproxy.Entity](ctx, v.Session, v.Scope.EntityIDs)
	if err != nil {
		return nil, err
	}
	seen := make([]*model.Entity, len(results))
	for i, result := range results {
		if result.Err != nil {
			addErrorAt(ctx, i, result.Err)
			continue
		}
		seen[i] = &model.Entity{Entity: result.Item}
	}
	return seen, nil
}
