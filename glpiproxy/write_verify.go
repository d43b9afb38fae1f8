package glpiproxy

import (
	"cmp"
	"context"
	"reflect"
	"slices"
	"strings"
	"time"
)

// verifier is a change with its own idea of when a column has taken its value.
type verifier[T Item] interface {
	took(item T, f sentField) (took, known bool)
}

// verify reads the changed items again. GLPI says success for fields that it doesn't
// know, values that it drops and commands that it ignores; and a write in doubt has
// been carried out when the item is as it was to be.
func verify[C Change[T], T Item](ctx context.Context, w *writer, edits []Edit[C]) {
	var written []int
	for i, outcome := range w.outcomes {
		if len(w.fields[i].sent) > 0 && (outcome.Err == nil || slices.Contains(w.doubts, i)) {
			written = append(written, i)
		}
	}
	items, err := freshItems[T](ctx, w.s, w.ids(written))
	if err != nil {
		return
	}
	for _, i := range written {
		item, ok := items[edits[i].ID].Item.(T)
		if !ok || items[edits[i].ID].Err != nil { // out of sight by the change itself
			continue
		}
		own, _ := any(edits[i].Change).(verifier[T])
		missing := unmet(item, w.fields[i].sent, own)
		switch doubtful := w.outcomes[i].Err != nil; {
		case doubtful && len(missing) == 0:
			w.settled(i)
		case !doubtful && len(missing) > 0:
			w.outcomes[i].Err = &Error{
				Kind: Unchanged, Operation: w.operation, Fields: missing,
				Message: cmp.Or(w.outcomes[i].Message, "GLPI reported success and did not change "+strings.Join(missing, ", ")),
			}
		}
	}
}

// unmet lists the columns of an item that don't hold what was sent.
func unmet[T Item](item T, sent []sentField, own verifier[T]) (missing []string) {
	value := reflect.ValueOf(item)
	columns := columnsOf(value.Type())
	for _, f := range sent {
		if own != nil {
			if took, known := own.took(item, f); known {
				if !took {
					missing = append(missing, f.column)
				}
				continue
			}
		}
		n := slices.IndexFunc(columns, func(c column) bool { return c.name == f.column })
		if n >= 0 && !sameValue(value.FieldByIndex(columns[n].index).Interface(), f.want) {
			missing = append(missing, f.column)
		}
	}
	return missing
}

// sameValue compares loosely where GLPI is loose: with texts that look like numbers,
// and with entities, which it writes for angle brackets.
func sameValue(got, want any) bool {
	switch want := want.(type) {
	case string:
		text, _ := got.(string)
		return sameText(text, want) || sameText(text, entities.Replace(want)) || strings.TrimSpace(text) == strings.TrimSpace(want)
	case time.Time:
		moment, _ := got.(time.Time)
		return moment.Equal(want)
	}
	return got == want
}
