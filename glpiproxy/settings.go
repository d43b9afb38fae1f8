package glpiproxy

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strconv"
)

// EntityConfigOf reads the settings that are in force in an entity. NotFound: the
// viewer can't see it, or Flyve MDM has not yet made any for it.
func EntityConfigOf(ctx context.Context, s *Session, entityID int) (EntityConfig, error) {
	if entityID != 0 {
		return Get[EntityConfig](ctx, s, entityID)
	}
	// The id 0 in a path is a list, whose values are not those in force.
	itemtype := EntityConfig{}.itemtype()
	r := reading{operation: "get", itemtype: itemtype, key: itemKey(itemtype, 0), tag: itemTag(itemtype, 0)}
	weigh := func(Result[EntityConfig]) int { return 1 }
	result, err := cachedRead(ctx, s, r, weigh, func(ctx context.Context, scope *Scope) (Result[EntityConfig], error) {
		w := want{itemtype, 0}
		items, err := batchReader{s, scope}.readTogether(ctx, []want{w})
		return resultOf[EntityConfig](w, items, err, scope)
	})
	if err != nil {
		return EntityConfig{}, err
	}
	return result.Item, result.Err
}

// Icon reads the icon of an application, a PNG. NotFound: the viewer can't see the
// application, or GLPI found no icon in it.
func Icon(ctx context.Context, s *Session, applicationID int) ([]byte, error) {
	const operation = "icon"
	itemtype := Application{}.itemtype()
	if err := checkReadable(operation, itemtype, applicationID); err != nil {
		return nil, err
	}
	r := reading{
		operation: operation, itemtype: itemtype,
		key: "icon/" + strconv.Itoa(applicationID), tag: itemTag(itemtype, applicationID),
	}
	weigh := func(png []byte) int { return 1 + len(png)/1024 }
	return cachedRead(ctx, s, r, weigh, func(ctx context.Context, _ *Scope) ([]byte, error) {
		return s.fetchIcon(ctx, applicationID)
	})
}

// pngSignature begins every PNG.
const pngSignature = "\x89PNG\r\n\x1a\n"

func (s *Session) fetchIcon(ctx context.Context, id int) ([]byte, error) {
	k := call{operation: "icon", path: "/" + Application{}.itemtype() + "/" + strconv.Itoa(id), query: "get_hateoas=false"}
	a, err := s.call(ctx, k)
	if err != nil {
		return nil, err
	}
	raw, err := a.json(k.operation)
	if err != nil {
		return nil, err
	}
	r, err := parseRow(raw)
	if err == nil && r.int("id") != id {
		err = errors.New("GLPI answered with another item")
	}
	if err != nil {
		return nil, unexpected(k.operation, a.status, err)
	}
	png, err := base64.StdEncoding.DecodeString(plain(r["icon"]))
	if err != nil || !bytes.HasPrefix(png, []byte(pngSignature)) {
		return nil, &Error{Kind: NotFound, Operation: k.operation, Message: "the application has no icon"}
	}
	return png, nil
}
