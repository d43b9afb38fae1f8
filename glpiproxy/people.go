package glpiproxy

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"
)

const (
	userEmailsOption     = 5
	userProfilesOption   = 20
	invitationUserOption = 3

	// idsAtOnce is how many ids fit into the address of one search.
	idsAtOnce = 35
	// mostOfOne bounds the addresses, or grants, of one person.
	mostOfOne = 200
)

// EmailsOf reads the addresses of people whom the viewer may see, the default one first, by user id. A search tells
// those of 35 people in one call; only who has several, or lies in the trash, costs a call of their own.
func EmailsOf(ctx context.Context, s *Session, userIDs []int) (map[int][]UserEmail, error) {
	found, missing, err := userCells(ctx, s, userIDs, userEmailsOption)
	if err != nil {
		return nil, err
	}
	emails := make(map[int][]UserEmail, len(userIDs))
	for id, addresses := range found {
		switch len(addresses) {
		case 0:
		case 1: // GLPI sees to it that a person's only address is the default
			emails[id] = []UserEmail{{UserID: id, Email: addresses[0], Default: true}}
		default:
			missing = append(missing, id)
		}
	}
	rest, err := childrenOfEach[User, UserEmail](ctx, s, missing, ListOptions{})
	if err != nil {
		return nil, err
	}
	for id, list := range rest {
		slices.SortStableFunc(list, func(a, b UserEmail) int { return cmp.Compare(rank(a.Default), rank(b.Default)) })
		emails[id] = list
	}
	return emails, nil
}

// ProfilesHeldBy reads the names of the profiles that people hold, by user id. A search tells those of 35 people in one
// call; who lies in the trash costs a call of their own.
func ProfilesHeldBy(ctx context.Context, s *Session, userIDs []int) (map[int][]string, error) {
	held, missing, err := userCells(ctx, s, userIDs, userProfilesOption)
	if err != nil || len(missing) == 0 {
		return held, err
	}
	profiles, err := Profiles(ctx, s)
	if err != nil && !outOfReach(err) {
		return nil, err
	}
	names := map[int]string{}
	for _, p := range profiles {
		names[p.ID] = p.Name
	}
	grants, err := childrenOfEach[User, ProfileUser](ctx, s, missing, ListOptions{})
	for id, list := range grants {
		for _, grant := range list {
			held[id] = append(held[id], names[grant.ProfileID])
		}
	}
	return held, err
}

// userCells searches for what one search option tells of each of many people. missing are those that the search does
// not find: the trash is not searched.
func userCells(ctx context.Context, s *Session, userIDs []int, option int) (found map[int][]string, missing []int, err error) {
	found = map[int][]string{}
	userIDs = slices.Compact(slices.Sorted(slices.Values(userIDs)))
	parts := slices.Collect(slices.Chunk(userIDs, idsAtOnce))
	pages := make([]SearchPage, len(parts))
	group, within := errgroup.WithContext(ctx)
	for i, part := range parts {
		group.Go(func() (err error) {
			pages[i], err = Search[User](within, s, Query{
				Criteria: anyOf(idOption, part), Columns: []int{option}, Range: Range{Count: len(part)},
			})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	for _, page := range pages {
		for _, row := range page.Rows {
			found[row.ID()] = row.Texts(option)
		}
	}
	for _, id := range userIDs {
		if _, known := found[id]; !known {
			missing = append(missing, id)
		}
	}
	return found, missing, nil
}

// InvitationsOf finds the invitations of people, by user id.
func InvitationsOf(ctx context.Context, s *Session, userIDs []int) (map[int][]int, error) {
	var ids []int
	for part := range slices.Chunk(userIDs, idsAtOnce) {
		rows, err := every(func(window Range) (Page[Row], error) {
			q := Query{Criteria: anyOf(invitationUserOption, part), Range: window, Fresh: true}
			page, err := Search[Invitation](ctx, s, q)
			return Page[Row]{Items: page.Rows, Total: page.Total, Start: page.Start}, err
		})
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			ids = append(ids, row.ID())
		}
	}
	results, err := GetMany[Invitation](ctx, s, ids)
	if err != nil {
		return nil, err
	}
	found := map[int][]int{}
	for _, result := range results {
		if result.Err == nil {
			found[result.Item.UserID] = append(found[result.Item.UserID], result.Item.ID)
		}
	}
	return found, nil
}

// rank puts what is true before what is not.
func rank(first bool) int {
	if first {
		return 0
	}
	return 1
}

// anyOf is the chain of criteria that finds items by an option that is an id.
func anyOf(option int, ids []int) []Criterion {
	chain := make([]Criterion, len(ids))
	for i, id := range ids {
		chain[i] = Criterion{Link: Or, Field: option, Type: Equals, Value: strconv.Itoa(id)}
	}
	return chain
}

// GrantsOf reads the profiles that people hold in the entities that the viewer sees, by user id: a call for each.
func GrantsOf(ctx context.Context, s *Session, userIDs []int) (map[int][]ProfileUser, error) {
	scope, err := s.Scope(ctx)
	if err != nil {
		return nil, err
	}
	grants, err := childrenOfEach[User, ProfileUser](ctx, s, userIDs, ListOptions{})
	for id, list := range grants {
		grants[id] = slices.DeleteFunc(list, func(g ProfileUser) bool { return !scope.SeesEntity(g.EntityID) })
	}
	return grants, err
}

// Profiles reads all profiles with their rights, by name. Forbidden: the viewer's own profile may not read profiles.
func Profiles(ctx context.Context, s *Session) ([]ProfileName, error) {
	listed, err := List[ProfileName](ctx, s, ListOptions{Sort: "name", Range: Range{Count: maxCount}})
	if err != nil {
		return nil, err
	}
	ids := make([]int, len(listed.Items))
	for i, p := range listed.Items {
		ids[i] = p.ID
	}
	results, err := GetMany[ProfileName](ctx, s, ids) // lists don't tell the rights
	if err != nil {
		return nil, err
	}
	profiles := make([]ProfileName, 0, len(results))
	for _, result := range results {
		if result.Err == nil {
			profiles = append(profiles, result.Item)
		}
	}
	return profiles, nil
}

// childrenOfEach reads the children of several parents side by side. A parent that is out of reach has none.
func childrenOfEach[P, T Item](ctx context.Context, s *Session, ids []int, o ListOptions) (map[int][]T, error) {
	o.Range = Range{Count: mostOfOne}
	all := make(map[int][]T, len(ids))
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	for _, id := range ids {
		group.Go(func() error {
			page, err := Children[P, T](ctx, s, id, o)
			if err != nil && !outOfReach(err) {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			all[id] = page.Items
			return nil
		})
	}
	return all, group.Wait()
}
