package model

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// GlobalID is an object's opaque identity (Relay's `id`), made of its GraphQL type and GLPI's id.
func GlobalID(typename string, id int) string {
	text := append(append(make([]byte, 0, 48), typename...), ':')
	text = strconv.AppendInt(text, int64(id), 10)
	return string(base64.RawURLEncoding.AppendEncode(make([]byte, 0, 64), text))
}

// ParseGlobalID takes a global id apart. GLPI answers ids that are not numbers with whole lists, so
// anything but a plain, canonical number is refused here. Only the root entity has the id 0.
func ParseGlobalID(globalID string) (typename string, id int, err error) {
	refused := fmt.Errorf("%q is not an id of this API", shorten(globalID))
	text, err := base64.RawURLEncoding.Strict().DecodeString(globalID)
	if err != nil {
		return "", 0, refused
	}
	typename, digits, found := strings.Cut(string(text), ":")
	if !found || typename == "" {
		return "", 0, refused
	}
	id, err = strconv.Atoi(digits)
	if err != nil || strconv.Itoa(id) != digits || id < 0 || (id == 0 && typename != "Entity") {
		return "", 0, refused
	}
	return typename, id, nil
}

func shorten(text string) string {
	const most = 64
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
