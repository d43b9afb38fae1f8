package graph

import (
	"context"
	"fmt"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// loadPeople makes the loaders of people and of what belongs to them.
func (l *loaders) loadPeople(s *glpiproxy.Session) {
	l.users = newLoader(s, l.expectOf)
	l.titles = newLoader(s, titleEntry)
	l.categories = newLoader(s, categoryEntry)
	l.locations = newLoader(s, locationEntry)
	l.profileNames = newLoader(s, profileEntry)
	l.emails = ofPeople(s, glpiproxy.EmailsOf, func(e glpiproxy.UserEmail) *model.UserEmail {
		return &model.UserEmail{Address: e.Email, IsDefault: e.Default}
	})
	l.grants = ofPeople(s, glpiproxy.GrantsOf, func(g glpiproxy.ProfileUser) *model.ProfileGrant {
		l.profileNames.expect(g.ProfileID)
		l.entities.expect(g.EntityID)
		return &model.ProfileGrant{ProfileUser: g}
	})
}

func titleEntry(t glpiproxy.UserTitle) *model.NamedEntry {
	return model.NewNamedEntry("UserTitle", t.ID, t.Name)
}

func categoryEntry(c glpiproxy.UserCategory) *model.NamedEntry {
	return model.NewNamedEntry("UserCategory", c.ID, c.Name)
}

func locationEntry(p glpiproxy.Location) *model.NamedEntry {
	return model.NewNamedEntry("Location", p.ID, p.CompleteName)
}

func profileEntry(p glpiproxy.ProfileName) *model.NamedEntry {
	return model.NewNamedEntry("Profile", p.ID, p.Name)
}

// ofPeople is a loader of lists that belong to people.
func ofPeople[T, M any](s *glpiproxy.Session, read func(context.Context, *glpiproxy.Session, []int) (map[int][]T, error), wrap func(T) M) *loader[[]M] {
	return batched(func(ctx context.Context, ids []int) ([]finding[[]M], error) {
		found, err := read(ctx, s, ids)
		lists := make([]finding[[]M], len(ids))
		for i, id := range ids {
			list := []M{}
			for _, item := range found[id] {
				list = append(list, wrap(item))
			}
			lists[i].value = list
		}
		return lists, err
	})
}

// expectOf shows a person and tells the loaders what the record points to.
func (l *loaders) expectOf(u glpiproxy.User) *model.User {
	l.emails.expect(u.ID)
	l.grants.expect(u.ID)
	l.titles.expect(u.TitleID)
	l.categories.expect(u.CategoryID)
	l.locations.expect(u.LocationID)
	l.profileNames.expect(u.ProfileID)
	l.entities.expect(u.EntityID)
	return &model.User{User: u}
}

// userOf reads a person and, beside the record, what the client asks for that is kept elsewhere.
func userOf(ctx context.Context, id int) (*model.User, error) {
	l, err := load(ctx)
	if err != nil || id <= 0 {
		return nil, err
	}
	l.beginOf(ctx, id)
	return l.users.load(ctx, id)
}

// beginOf begins to read what is asked for of people and kept beside their records.
func (l *loaders) beginOf(ctx context.Context, ids ...int) {
	if asksFor(ctx, "User", "emails") {
		l.emails.beginAll(ctx, ids)
	}
	if asksFor(ctx, "User", "grants") {
		l.grants.beginAll(ctx, ids)
	}
}

func emails(l *loaders) *loader[[]*model.UserEmail]      { return l.emails }
func grants(l *loaders) *loader[[]*model.ProfileGrant]   { return l.grants }
func titles(l *loaders) *loader[*model.NamedEntry]       { return l.titles }
func categories(l *loaders) *loader[*model.NamedEntry]   { return l.categories }
func locations(l *loaders) *loader[*model.NamedEntry]    { return l.locations }
func profileNames(l *loaders) *loader[*model.NamedEntry] { return l.profileNames }

// longestChoice bounds a list of names to choose from.
const longestChoice = 1000

// namesOf lists one of GLPI's lists of names, by name.
func namesOf[T glpiproxy.Item](ctx context.Context, show func(T) *model.NamedEntry) ([]*model.NamedEntry, error) {
	s, err := readable[T](ctx)
	if err != nil {
		return nil, err
	}
	page, err := glpiproxy.List[T](ctx, s, glpiproxy.ListOptions{Sort: "name", Range: glpiproxy.Range{Count: longestChoice}})
	if err != nil {
		return nil, err
	}
	if page.Total > longestChoice {
		return nil, &coded{CodeUpstreamError, fmt.Sprintf("GLPI has %d of them: too many to choose from", page.Total)}
	}
	entries := make([]*model.NamedEntry, len(page.Items))
	for i, item := range page.Items {
		entries[i] = show(item)
	}
	return entries, nil
}
