package model

import (
	"strings"
	"testing"
)

func TestEmailAddress(t *testing.T) {
	for _, good := range []string{"ada@acme.test", "o'brien@acme.test", "élodie@acme.test", "a.b+c@x-y.example"} {
		if got, err := UnmarshalEmailAddress(good); err != nil || got != good {
			t.Errorf("%q: got %q, %v", good, got, err)
		}
		var written strings.Builder
		if MarshalEmailAddress(good).MarshalGQL(&written); written.String() != `"`+good+`"` {
			t.Errorf("%q was written as %s", good, written.String())
		}
	}
	for _, bad := range []any{"", "ada", "ada@", "@acme.test", "Ada <ada@acme.test>", "a@b.test, c@d.test", "a@b.test\r\nBcc: x@y.test", strings.Repeat("a", 250) + "@b.test", 7, nil} {
		if got, err := UnmarshalEmailAddress(bad); err == nil {
			t.Errorf("%v: got %q", bad, got)
		}
	}
}
