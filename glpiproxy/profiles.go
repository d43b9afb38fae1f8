package glpiproxy

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
)

// Profile is a profile that the viewer may take, with the entities it holds in.
type Profile struct {
	ID       int
	Name     string
	Entities []ProfileEntity
}

// ProfileEntity is an entity in which a profile was granted.
type ProfileEntity struct {
	ID        int
	Name      string
	Recursive bool // with its descendants
}

// Profiles lists the profiles that the viewer may take. As with Scope the answer is
// kept for 30 seconds.
func (s *Session) Profiles(ctx context.Context) ([]Profile, error) {
	spoil(ctx)
	c, key := s.client, "profiles|"+s.tag
	if found, ok := c.scopes.get(key); ok {
		return slices.Clone(found.([]Profile)), nil
	}
	since := c.scopes.begin()
	profiles, err := s.readProfiles(ctx)
	if err == nil {
		c.scopes.put(key, slices.Clone(profiles), 0, scopeTTL, since, s.tag)
	}
	return profiles, err
}

func (s *Session) readProfiles(ctx context.Context) ([]Profile, error) {
	const operation = "getMyProfiles"
	a, raw, err := s.callJSON(ctx, call{operation: operation, path: "/getMyProfiles"})
	if err != nil {
		return nil, err
	}
	profiles, err := decodeProfiles(raw)
	if err != nil {
		return nil, unexpected(operation, a.status, err)
	}
	return profiles, nil
}

// decodeProfiles reads the answer of getMyProfiles.
func decodeProfiles(raw json.RawMessage) ([]Profile, error) {
	r, err := parseRow(raw)
	if err != nil {
		return nil, err
	}
	list, ok := members(r["myprofiles"])
	if !ok {
		return nil, errors.New("no profiles in the answer")
	}
	profiles := make([]Profile, 0, len(list))
	for _, m := range list {
		p, err := parseRow(m.value)
		if err != nil {
			return nil, err
		}
		profile := Profile{ID: p.int("id"), Name: p.text("name")}
		entities, _ := members(p["entities"])
		for _, m := range entities {
			e, err := parseRow(m.value)
			if err != nil {
				return nil, err
			}
			profile.Entities = append(profile.Entities, ProfileEntity{ID: e.int("id"), Name: e.text("name"), Recursive: e.bool("is_recursive")})
		}
		profiles = append(profiles, profile)
	}
	return profiles, nil
}
