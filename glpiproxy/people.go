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
	userOptionID     = 2
	userOptionEmails = 5

	// idsAtOnce is how many ids fit into the address of one search.
	idsAtOnce = 35
	// mostOfOne bounds the addresses, or grants, of one person.
	mostOfOne = 200
)

// EmailsOf reads the addresses of people whom the viewer may see, the default one first, by user id. A search tells
// those of 35 people in one call; only who has several, or lies in the trash, costs a call of their own.
func EmailsOf(ctx context.Context, s *Session, userIDs []int) (map[int][]UserEmail, error) {
	userIDs = slices.Compact(slices.Sorted(slices.Values(userIDs)))
	emails := make(map[int][]UserEmail, len(userIDs))
	var single []int
	for part := range slices.Chunk(userIDs, idsAtOnce) {
		found, err := Search[User](ctx, s, Query{
			Criteria: anyID(part), Columns: []int{userOptionEmails}, Range: Range{Count: len(part)},
		})
		if err != nil {
			return nil, err
		}
		for _, row := range found.Rows {
			switch addresses := row.Texts(userOptionEmails); len(addresses) {
			case 0:
				emails[row.ID()] = nil
			case 1: // GLPI sees to it that a person's only address is the default
				emails[row.ID()] = []UserEmail{{UserID: row.ID(), Email: addresses[0], Default: true}}
			default:
				single = append(single, row.ID())
			}
		}
		for _, id := range part {
			if _, known := emails[id]; !known && !slices.Contains(single, id) {
				single = append(single, id)
			}
		}
	}
	rest, err := childrenOfEach[User, UserEmail](ctx, s, single, ListOptions{})
	if err != nil {
		return nil, err
	}
	for id, list := range rest {
		slices.SortStableFunc(list, func(a, b UserEmail) int { return cmp.Compare(rank(a.Default), rank(b.Default)) })
		emails[id] = list
	}
	return emails, nil
}

// rank puts what is true before what is not.
func rank(first bool) int {
	if first {
		return 0
	}
	return 1
}

// anyID is the chain of criteria that finds items by their ids.
func anyID(ids []int) []Criterion {
	chain := make([]Criterion, len(ids))
	for i, id := range ids {
		chain[i] = Criterion{Link: Or, Field: userOptionID, Type: Equals, Value: strconv.Itoa(id)}
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
