package front

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// resetting is a query on which gqlparser forgets, at each field that is there twice, which fragments it has compared
// already: it follows each of 2^levels paths.
func resetting(levels int) string {
	var b strings.Builder
	b.WriteString("{viewer{friend{name ...z}...f0 ...g0}} fragment z on Person{name}")
	for i := range levels {
		for _, side := range []string{"f", "g"} {
			fmt.Fprintf(&b, " fragment %s%d on Person{friend{name ...z}...f%d ...g%d}", side, i, i+1, i+1)
		}
	}
	fmt.Fprintf(&b, " fragment f%d on Person{name} fragment g%d on Person{name}", levels, levels)
	return b.String()
}

// Nobody needs to be signed in to have a document validated, which must take no longer than its text is long.
func TestHostileDocumentsAreRefusedQuickly(t *testing.T) {
	long := strings.Repeat("a", 1<<20)
	for name, query := range map[string]string{
		"fragments compared over and over": resetting(28),
		"fragments of introspection":       "{__schema{...f0}}" + strings.ReplaceAll(doubling(40, "...f%d ...f%d")[16:], "Person", "__Schema"),
		"fragments in a circle":            "{viewer{...a ...b}} fragment a on Person{...b ...b} fragment b on Person{...a ...a}",
		"a long name of a type":            "{viewer{...f}} fragment f on " + long + "{name}",
		"a long name of a field":           "{" + long + "}",
		"a long name of an argument":       "{agents(" + long + ":1){totalCount}}",
		"a long name of a fragment":        "{viewer{...f}} fragment " + long + " on Person{name}",
		"a long value":                     "{agents(first:" + long + "){totalCount}}",
	} {
		refused := make(chan error, 1)
		go func() { refused <- admit(Limits{}, query, nil) }()
		select {
		case err := <-refused:
			if err == nil {
				t.Errorf("%s: let through", name)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("%s: still busy", name)
		}
	}
}

func TestOrdinaryDocumentsAreLetThrough(t *testing.T) {
	for name, query := range map[string]string{
		"a long text":                 `{nodes(ids:["` + strings.Repeat("a", 1<<16) + `"]){id}}`,
		"a long comment":              "{name} #" + strings.Repeat("a", 1<<16),
		"fragments that are used":     resetting(3),
		"a name as long as it may be": "{" + strings.Repeat("a", longestName) + ":name}",
	} {
		if err := admit(Limits{}, query, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
