package main

import (
	"bytes"
	"regexp"
)

var (
	objectFunction = regexp.MustCompile(`(?ms)^func \(ec \*executionContext\) _\w+\(ctx context\.Context, sel ast\.SelectionSet.*?^}\n`)
	// resolverCase is a field with a resolver, which gqlgen resolves beside the others.
	resolverCase = regexp.MustCompile(`(?s)\t\t\tfield := field\n\n\t\t\tinnerFunc := func\(ctx context\.Context, fs \*graphql\.FieldSet\) \(res graphql\.Marshaler\) {\n` +
		`\t\t\t\tdefer func\(\) {\n[^}]*}\n\t\t\t\t}\(\)\n\t\t\t\tres = ec\.(\w+)\(ctx, field, obj\)\n\t\t\t\tif res == (graphql\.\w+) {` +
		`.*?\n\t\t\tout\.Concurrently\(i, func\(ctx context\.Context\) graphql\.Marshaler { return innerFunc\(ctx, out\) }\)\n`)
	fieldLoop   = []byte("\tfor i, field := range fields {\n\t\tswitch field.Name {\n")
	loopEnd     = []byte("\n\t\t}\n\t}\n\tout.Dispatch(ctx)\n")
	deferPlaces = []byte("\tdeferredFieldSet := graphql.NewFieldSet(nil)\n\tdeferLabelToView := make(map[string]*graphql.FieldSetView)\n")
	deferTail   = regexp.MustCompile(`(?ms)^\tatomic\.AddInt32\(&ec\.Deferred, .*?^\t}\)\n`)
	objectEnd   = []byte("\n\treturn out\n}")
)

// objectsInTurn has the fields of an object resolved in turn, without what gqlgen unfolds for @defer. Those of Query stay
// beside each other: they are few, and whatever they wait for.
func objectsInTurn(source []byte) []byte {
	return objectFunction.ReplaceAllFunc(source, func(function []byte) []byte {
		function = bytes.Replace(function, deferPlaces, nil, 1)
		function = deferTail.ReplaceAll(function, nil)
		if resolverCase.Match(function) {
			function = resolverCase.ReplaceAll(function, []byte("\t\t\tout.Values[i] = ec.$1(ctx, field, obj)\n"+
				"\t\t\tif out.Values[i] == $2 {\n\t\t\t\tatomic.AddUint32(&out.Invalids, 1)\n\t\t\t}\n"))
			function = bytes.Replace(function, fieldLoop,
				[]byte("\tout.inTurn(ctx, func(ctx context.Context, i int) {\n\t\tfield := fields[i]\n\t\tswitch field.Name {\n"), 1)
			function = bytes.Replace(function, loopEnd, []byte("\n\t\t}\n\t})\n"), 1)
		}
		if bytes.Contains(function, []byte("\tout.Concurrently(")) {
			return bytes.Replace(function, objectEnd, []byte("\n\treturn &object{fields: fields, Values: out.Values}\n}"), 1)
		}
		function = bytes.Replace(function, []byte("\tout.Dispatch(ctx)\n"), nil, 1)
		return bytes.Replace(function, []byte("out := graphql.NewFieldSet(fields)"), []byte("out := newObject(fields)"), 1)
	})
}

// listsInTurn has the items of a list marshalled in turn.
func listsInTurn(source []byte) []byte {
	return bytes.ReplaceAll(source,
		[]byte("graphql.MarshalSliceConcurrently(ctx, len(v), 0, false, func("), []byte("ec.marshalList(ctx, len(v), func("))
}
