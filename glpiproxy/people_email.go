package glpiproxy

import (
	"context"
	"slices"
	"strings"
)

// addressesAtOnce is how many e-mail addresses fit into the address of one search.
const addressesAtOnce = 20

// UsersByEmail finds the people in the viewer's sight, or in its trash, by whole addresses: user ids by the address in
// lower case. A search asks for 20 addresses in one call.
func UsersByEmail(ctx context.Context, s *Session, addresses []string, trash bool) (map[string][]int, error) {
	found := map[string][]int{}
	for part := range slices.Chunk(addresses, addressesAtOnce) {
		criteria := make([]Criterion, len(part))
		wanted := make(map[string]bool, len(part))
		for i, address := range part {
			criteria[i] = Criterion{Link: Or, Field: userEmailsOption, Type: Exactly, Value: address}
			wanted[strings.ToLower(address)] = true
		}
		for start := 0; ; start += maxCount {
			page, err := Search[User](ctx, s, Query{
				Criteria: criteria, Columns: []int{userEmailsOption}, Fresh: true, Trash: trash,
				Range: Range{Start: start, Count: maxCount},
			})
			if err != nil {
				return nil, err
			}
			for _, row := range page.Rows { // "_" in an address finds others too
				for _, held := range row.Texts(userEmailsOption) {
					if held = strings.ToLower(held); wanted[held] && !slices.Contains(found[held], row.ID()) {
						found[held] = append(found[held], row.ID())
					}
				}
			}
			if start+len(page.Rows) >= page.Total {
				break
			}
		}
	}
	return found, nil
}
