package model

import (
	"fmt"
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
	if !isEmailAddress(text) {
		return "", noEmailAddress(text)
	}
	return text, nil
}

func isEmailAddress(text string) bool {
	address, err := mail.ParseAddress(text)
	return err == nil && address.Address == text && len(text) <= longestEmailAddress
}

func noEmailAddress(text string) error {
	return gqlerror.Errorf("%q is not an e-mail address such as \"ada@acme.example\"", shorten(text))
}

// GivenAddress is the EmailAddress scalar as somebody wrote it, which may be none: for lists of people, of whom one with a
// bad address is not to refuse all. What is no text is refused as everywhere. Its text shows in JSON only.
type GivenAddress struct{ text string }

// Sound is the address; false where the text is none.
func (a GivenAddress) Sound() (string, bool) { return a.text, isEmailAddress(a.text) }

// MarshalText is the text as it was written.
func (a GivenAddress) MarshalText() ([]byte, error) { return []byte(a.text), nil }

// Format hides what was written, whatever the verb: it may be anything.
func (GivenAddress) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[address]") }

// MarshalGivenAddress writes what was written.
func MarshalGivenAddress(a GivenAddress) graphql.Marshaler { return graphql.MarshalString(a.text) }

// UnmarshalGivenAddress reads any text.
func UnmarshalGivenAddress(v any) (GivenAddress, error) {
	text, isText := v.(string)
	if !isText {
		return GivenAddress{}, noEmailAddress("")
	}
	return GivenAddress{text}, nil
}
