package glpiproxy

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// iconOption is the search option of an application's icon.
const iconOption = 5

// pngSignature begins every PNG.
const pngSignature = "\x89PNG\r\n\x1a\n"

// Icons reads the icons of applications, PNGs of tens of kilobytes, in few calls.
// An application that the viewer can't see, or that has no icon, has no entry.
func Icons(ctx context.Context, s *Session, applicationIDs []int) (map[int][]byte, error) {
	const operation = "icons"
	for _, id := range applicationIDs {
		if err := checkReadable(operation, Application{}.itemtype(), id); err != nil {
			return nil, err
		}
	}
	ids := slices.Compact(slices.Sorted(slices.Values(applicationIDs)))
	icons := map[int][]byte{}
	for part := range slices.Chunk(ids, ownersPerSearch) {
		found, err := readIcons(ctx, s, operation, part)
		if err != nil {
			return nil, err
		}
		maps.Copy(icons, found)
	}
	return icons, nil
}

// readIcons asks GLPI's search, since the other ways to an item bring the rest of it
// along.
func readIcons(ctx context.Context, s *Session, operation string, ids []int) (map[int][]byte, error) {
	itemtype := Application{}.itemtype()
	q := Query{Columns: []int{iconOption}, Range: Range{Count: len(ids)}}
	for _, id := range ids {
		q.Criteria = append(q.Criteria, Criterion{Link: Or, Field: idOption, Type: Exactly, Value: strconv.Itoa(id)})
	}
	q.Criteria[0].Link = And
	query, err := q.encode()
	if err != nil {
		return nil, err
	}
	k := call{operation: operation, path: "/search/" + itemtype, query: query}
	r := reading{operation: operation, itemtype: itemtype, key: fmt.Sprint("icons", ids), tag: listTag(itemtype)}
	return cachedRead(ctx, s, r, func(ctx context.Context, scope *Scope) (map[int][]byte, error) {
		page, err := fetchSearch(ctx, s, scope, k, q.Range)
		if err != nil {
			return nil, err
		}
		icons := make(map[int][]byte, len(page.Rows))
		for _, row := range page.Rows {
			png, err := base64.StdEncoding.DecodeString(row.Text(iconOption))
			if err == nil && bytes.HasPrefix(png, []byte(pngSignature)) {
				icons[row.ID()] = png
			}
		}
		return icons, nil
	})
}
