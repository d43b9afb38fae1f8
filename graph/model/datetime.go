package model

import (
	"io"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// MarshalDateTime writes the DateTime scalar: RFC 3339, in UTC whatever zone the time came in.
func MarshalDateTime(t time.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		text := append(make([]byte, 0, len(time.RFC3339Nano)+2), '"')
		_, _ = w.Write(append(t.UTC().AppendFormat(text, time.RFC3339Nano), '"'))
	})
}

// UnmarshalDateTime reads the DateTime scalar: RFC 3339 with any offset. What it refuses is the client's mistake, which
// is what a gqlerror without a cause means.
func UnmarshalDateTime(v any) (time.Time, error) {
	text, ok := v.(string)
	if !ok {
		return time.Time{}, gqlerror.Errorf("a DateTime is a text such as \"2026-11-21T10:15:00Z\"")
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, gqlerror.Errorf("%q is not a DateTime such as \"2026-11-21T10:15:00Z\"", shorten(text))
	}
	return t.UTC(), nil
}

// Moment makes the zero time, which means "none" in Go, GraphQL's null.
func Moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
