package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

var (
	objectFunction = regexp.MustCompile(`(?ms)^func \(ec \*executionContext\) _\w+\(ctx context\.Context, sel ast\.SelectionSet.*?^}\n`)
	objectBegin    = regexp.MustCompile(`\tfields := graphql\.CollectFields\(ec\.OperationContext, sel, (\w+)\)\n\n\tout := graphql\.NewFieldSet\(fields\)\n`)
	// resolverCase is a field with a resolver, which gqlgen resolves beside the others.
	resolverCase = regexp.MustCompile(`(?s)\t\tcase ("\w+"):\n\t\t\tfield := field\n\n\t\t\tinnerFunc := func\(ctx context\.Context, fs \*graphql\.FieldSet\) \(res graphql\.Marshaler\) {\n` +
		`\t\t\t\tdefer func\(\) {\n[^}]*}\n\t\t\t\t}\(\)\n\t\t\t\tres = ec\.(\w+)\(ctx, field, obj\)\n\t\t\t\tif res == (graphql\.\w+) {` +
		`.*?\n\t\t\tout\.Concurrently\(i, func\(ctx context\.Context\) graphql\.Marshaler { return innerFunc\(ctx, out\) }\)\n`)
	unknownCase = []byte("\t\tdefault:\n\t\t\tpanic(")
	dispatch    = []byte("\tout.Dispatch(ctx)\n")
	deferPlaces = []byte("\tdeferredFieldSet := graphql.NewFieldSet(nil)\n\tdeferLabelToView := make(map[string]*graphql.FieldSetView)\n")
	deferTail   = regexp.MustCompile(`(?ms)^\tatomic\.AddInt32\(&ec\.Deferred, .*?^\t}\)\n`)
)

// objectsInTurn has the fields of an object that have resolvers resolved in turn, after the others and without what gqlgen
// unfolds for @defer. Those of Query stay beside each other: they are few, and whatever they wait for.
func objectsInTurn(source []byte) []byte {
	return objectFunction.ReplaceAllFunc(source, func(function []byte) []byte {
		function = bytes.Replace(function, deferPlaces, nil, 1)
		function = deferTail.ReplaceAll(function, nil)
		if !objectBegin.Match(function) {
			return function
		}
		function = objectBegin.ReplaceAll(function, []byte("\tout := ec.newObject(sel, $1)\n\tfields := out.fields\n"))
		var names []string
		var cases []byte
		function = resolverCase.ReplaceAllFunc(function, func(one []byte) []byte {
			field := resolverCase.FindSubmatch(one)
			names = append(names, string(field[1]))
			cases = fmt.Appendf(cases, "\t\t\tcase %s:\n\t\t\t\tout.Values[i] = ec.%s(ctx, field, obj)\n"+
				"\t\t\t\tif out.Values[i] == %s {\n\t\t\t\t\tatomic.AddUint32(&out.Invalids, 1)\n\t\t\t\t}\n", field[1], field[2], field[3])
			return nil
		})
		if len(names) == 0 {
			return bytes.Replace(function, dispatch, nil, 1)
		}
		later := fmt.Sprintf("\t\tcase %s:\n\t\t\tout.later = true\n", strings.Join(names, ", "))
		function = bytes.Replace(function, unknownCase, append([]byte(later), unknownCase...), 1)
		return bytes.Replace(function, dispatch, fmt.Appendf(nil, "\tif out.later {\n\t\tout.inTurn(ctx, func(ctx context.Context, i int) {\n"+
			"\t\t\tfield := fields[i]\n\t\t\tswitch field.Name {\n%s\t\t\t}\n\t\t})\n\t}\n", cases), 1)
	})
}

// listsInTurn has the items of a list marshalled in turn.
func listsInTurn(source []byte) []byte {
	return bytes.ReplaceAll(source,
		[]byte("graphql.MarshalSliceConcurrently(ctx, len(v), 0, false, func("), []byte("ec.marshalList(ctx, len(v), func("))
}
