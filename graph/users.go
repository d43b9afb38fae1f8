package graph

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// GLPI's numbers for what users can be searched by.
const (
	userOptionName      = 1
	userOptionID        = 2
	userOptionEmail     = 5
	userOptionActive    = 8
	userOptionFirstName = 9
	userOptionLastLogin = 14
	userOptionProfile   = 20
	userOptionLastName  = 34
	userOptionEntity    = 80
	userOptionTitle     = 81
	userOptionCategory  = 82
)

// machinePrefixes begin the user names of accounts that are nobody's: those that Flyve MDM makes for the devices
// themselves, and the one through which people register.
var machinePrefixes = []string{"flyvemdm-", "flyvenologin"}

// isMachine tells whether a user name is that of an account that is nobody's.
func isMachine(username string) bool {
	return slices.ContainsFunc(machinePrefixes, func(prefix string) bool {
		return len(username) >= len(prefix) && strings.EqualFold(username[:len(prefix)], prefix)
	})
}

// people are the criteria that leave out machines and the gateway's own account.
func (r *Resolver) people(ctx context.Context) ([]glpiproxy.Criterion, error) {
	var criteria []glpiproxy.Criterion
	leaveOut := func(how glpiproxy.SearchType, name string) {
		criteria = append(criteria, glpiproxy.Criterion{Link: glpiproxy.AndNot, Field: userOptionName, Type: how, Value: name})
	}
	for _, prefix := range machinePrefixes {
		leaveOut(glpiproxy.BeginsWith, prefix)
	}
	if r.Service == nil {
		return criteria, nil
	}
	service, err := r.Service(ctx)
	if err != nil {
		return nil, err
	}
	scope, err := service.Scope(ctx)
	if err != nil {
		return nil, err
	}
	leaveOut(glpiproxy.Exactly, scope.Username)
	return criteria, nil
}

// userPage reads a page of people.
func (r *Resolver) userPage(ctx context.Context, a pageArguments, filter *model.UserFilter, order *model.UserOrder) (*model.UserConnection, error) {
	s, err := readable[glpiproxy.User](ctx)
	if err != nil {
		return nil, err
	}
	if order == nil {
		order = &model.UserOrder{Field: model.UserOrderFieldDatabaseID, Direction: model.OrderDirectionAsc}
	}
	criteria, err := r.people(ctx)
	if err == nil {
		criteria, err = userCriteria(ctx, s, filter, criteria)
	}
	if err != nil {
		return nil, err
	}
	l, err := load(ctx)
	if err != nil {
		return nil, err
	}
	c, err := connect[model.UserEdge](ctx, searchUsers(s, criteria, *order, l), a, (*loaders).expectOf)
	return (*model.UserConnection)(c), err
}

var userOrders = map[model.UserOrderField]int{
	model.UserOrderFieldDatabaseID:  userOptionID,
	model.UserOrderFieldUsername:    userOptionName,
	model.UserOrderFieldLastName:    userOptionLastName,
	model.UserOrderFieldLastLoginAt: userOptionLastLogin,
}

// searchUsers reads people through GLPI's search: the page first, then their records in one batch. The records of
// those whose rights come from an entity above are not shown to everyone who finds them: then what was found stands.
// What is kept beside the records is read at the same time.
func searchUsers(s *glpiproxy.Session, criteria []glpiproxy.Criterion, order model.UserOrder, l *loaders) listing[glpiproxy.User] {
	find := func(ctx context.Context, start, count int) (glpiproxy.SearchPage, error) {
		return glpiproxy.Search[glpiproxy.User](ctx, s, glpiproxy.Query{
			Criteria: criteria, Sort: userOrders[order.Field], Descending: order.Direction == model.OrderDirectionDesc,
			Columns: []int{userOptionName, userOptionActive, userOptionFirstName, userOptionLastName},
			Range:   glpiproxy.Range{Start: start, Count: count},
		})
	}
	return listing[glpiproxy.User]{
		rows: func(ctx context.Context, start, count int) ([]glpiproxy.User, int, error) {
			found, err := find(ctx, start, count)
			if err != nil {
				return nil, 0, err
			}
			l.beginOf(ctx, idsOf(found.Rows)...)
			users, err := recordsOf(ctx, s, found.Rows)
			return users, found.Total, err
		},
		ids: func(ctx context.Context) ([]int, error) {
			return inChunks(ctx, func(ctx context.Context, start, count int) ([]int, int, error) {
				found, err := find(ctx, start, count)
				return idsOf(found.Rows), found.Total, err
			})
		},
		id: func(u glpiproxy.User) int { return u.ID },
	}
}

func idsOf(rows []glpiproxy.Row) []int {
	ids := make([]int, len(rows))
	for i, row := range rows {
		ids[i] = row.ID()
	}
	return ids
}

func recordsOf(ctx context.Context, s *glpiproxy.Session, rows []glpiproxy.Row) ([]glpiproxy.User, error) {
	results, err := glpiproxy.GetMany[glpiproxy.User](ctx, s, idsOf(rows))
	if err != nil {
		return nil, err
	}
	users := make([]glpiproxy.User, len(rows))
	for i, row := range rows {
		users[i] = results[i].Item
		if results[i].Err != nil {
			users[i] = glpiproxy.User{
				ID: row.ID(), Username: row.Text(userOptionName), Active: row.Bool(userOptionActive),
				FirstName: row.Text(userOptionFirstName), LastName: row.Text(userOptionLastName),
			}
		}
	}
	return users, nil
}

// userCriteria puts a filter into GLPI's search language: a flat chain of AND and OR in which AND binds tighter, so
// that the choices among names and entities are multiplied out, and everybody found must be one of the people.
func userCriteria(ctx context.Context, s *glpiproxy.Session, filter *model.UserFilter, people []glpiproxy.Criterion) ([]glpiproxy.Criterion, error) {
	if filter == nil {
		return people, nil
	}
	must, err := userConditions(filter)
	if err != nil {
		return nil, err
	}
	must = append(must, people...)
	entityChoices, err := choices("filter.entityIds", "Entity", userOptionEntity, filter.EntityIds)
	if err != nil {
		return nil, err
	}
	if err := inSight(ctx, s, filter.EntityIds); err != nil {
		return nil, err
	}
	var chain []glpiproxy.Criterion
	for _, name := range nameChoices(filter.Search) {
		for _, entity := range entityChoices {
			group := slices.Concat(name, entity, must)
			if len(chain) > 0 {
				group[0].Link = glpiproxy.Or
			}
			chain = append(chain, group...)
		}
	}
	return chain, bounded(chain)
}

// bounded refuses what makes too long an address.
func bounded(chain []glpiproxy.Criterion) error {
	length := 0
	for _, c := range chain {
		length += len(url.QueryEscape(c.Value)) + criterionLength
	}
	if length > longestChain {
		return badInput("filter: too much at once: fewer entities, or a shorter search")
	}
	return nil
}

// inSight refuses entities that the viewer does not see: people's other entities are not to be found out.
func inSight(ctx context.Context, s *glpiproxy.Session, globalIDs []string) error {
	scope, err := s.Scope(ctx)
	if err != nil {
		return err
	}
	for _, globalID := range globalIDs {
		if id, err := parseID("filter.entityIds", "Entity", globalID); err != nil {
			return err
		} else if !scope.SeesEntity(id) {
			return notFound()
		}
	}
	return nil
}

// mostSpaces bounds the places at which a text may fall apart into first and last name.
const mostSpaces = 3

// nameChoices are the ways in which a text may name somebody; without a text one that demands nothing.
func nameChoices(search *string) [][]glpiproxy.Criterion {
	if search == nil || strings.TrimSpace(*search) == "" {
		return [][]glpiproxy.Criterion{nil}
	}
	text := strings.TrimSpace(*search)
	holds := func(option int, part string) glpiproxy.Criterion {
		return glpiproxy.Criterion{Field: option, Type: glpiproxy.Contains, Value: part}
	}
	var ways [][]glpiproxy.Criterion
	for _, option := range []int{userOptionName, userOptionFirstName, userOptionLastName, userOptionEmail} {
		ways = append(ways, []glpiproxy.Criterion{holds(option, text)})
	}
	if strings.Count(text, " ") > mostSpaces {
		return ways
	}
	for i, r := range text {
		if r != ' ' {
			continue
		}
		before, after := strings.TrimSpace(text[:i]), strings.TrimSpace(text[i:])
		ways = append(ways,
			[]glpiproxy.Criterion{holds(userOptionFirstName, before), holds(userOptionLastName, after)},
			[]glpiproxy.Criterion{holds(userOptionLastName, before), holds(userOptionFirstName, after)})
	}
	return ways
}

// userConditions are the parts of a filter that everybody found must meet.
func userConditions(filter *model.UserFilter) ([]glpiproxy.Criterion, error) {
	var must []glpiproxy.Criterion
	demand := func(option, id int) {
		must = append(must, glpiproxy.Criterion{Field: option, Type: glpiproxy.Equals, Value: strconv.Itoa(id)})
	}
	if filter.IsActive != nil {
		demand(userOptionActive, map[bool]int{true: 1}[*filter.IsActive])
	}
	for _, c := range []struct {
		name, typename string
		option         int
		globalID       *string
	}{
		{"filter.profileId", "Profile", userOptionProfile, filter.ProfileID},
		{"filter.titleId", "UserTitle", userOptionTitle, filter.TitleID},
		{"filter.categoryId", "UserCategory", userOptionCategory, filter.CategoryID},
	} {
		if c.globalID == nil {
			continue
		}
		id, err := parseID(c.name, c.typename, *c.globalID)
		if err != nil {
			return nil, err
		}
		demand(c.option, id)
	}
	return must, nil
}
