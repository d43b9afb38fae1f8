package model

import (
	"io"
	"net/mail"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// longestEmailAddress is what GLPI's column holds, in bytes.
const longestEmailAddress = 255

// MarshalEmailAddress writes the EmailAddress scalar as GLPI holds it.
func MarshalEmailAddress(address string) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) { io.WriteString(w, strconv.Quote(address)) })
}

// UnmarshalEmailAddress reads the EmailAddress scalar: a plain address, without a name.
func UnmarshalEmailAddress(v any) (string, error) {
	text, _ := v.(string)
	address, err := mail.ParseAddress(text)
	if err != nil || address.Address != text || len(text) > longestEmailAddress {
		return "", gqlerror.Errorf("%q is not an e-mail address such as \"ada@acme.example\"", shorten(text))
	}
	return text, nil
}
