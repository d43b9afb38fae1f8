package main

import (
	"fmt"
	"regexp"
)

// fieldParts are what a field without directives is made of: its function's head, the names of its type and its own, its
// object, how it is read, its value's type, how that is marshalled, and whether it may be null.
const fieldParts = `(?m)^(func \(ec \*executionContext\) _(_*[A-Za-z0-9]+)_(\w+)\(ctx context\.Context, field graphql\.CollectedField, obj ([^ ]+)\) [^\n]*\n)` +
	`\treturn graphql\.ResolveField\(\n\t\tctx,\n\t\tec\.OperationContext,\n\t\tfield,\n` +
	`\t\tfunc\(ctx context\.Context, field graphql\.CollectedField\) [^\n]*\n[^\n]*\n\t\t},\n` +
	`\t\tfunc\(ctx context\.Context\) \(any, error\) {\n\t\t\treturn ([^\n]+)\n\t\t},\n` +
	`\t\tnil,\n` +
	`\t\tfunc\(ctx context\.Context, selections ast\.SelectionSet, v ([^\n]*)\) graphql\.Marshaler {\n\t\t\treturn ec\.(marshal[^(]+)\(ctx, selections, v\)\n\t\t},\n` +
	`\t\ttrue,\n\t\t(true|false),\n\t\)\n}`

var (
	plainField = regexp.MustCompile(fieldParts)
	// leafContext is how gqlgen describes a field whose type has no fields.
	leafContext = regexp.MustCompile(`executionContext\) fieldContext_(\w+)\(_ context\.Context, field graphql\.CollectedField\) [^\n]*\n\treturn graphql\.NewScalarFieldContext\(`)
	// certain is read from the object and can't fail.
	certain = regexp.MustCompile(`^(obj\.[\w.]+(?:\(\))?), nil$`)
)

// straightLeaves has leaf fields of structs marshalled at once. Were one to panic, whoever called for its object recovers.
func straightLeaves(source []byte) []byte {
	leaves := map[string]bool{}
	for _, match := range leafContext.FindAllSubmatch(source, -1) {
		leaves[string(match[1])] = true
	}
	return plainField.ReplaceAllFunc(source, func(function []byte) []byte {
		f := plainField.FindSubmatch(function)
		read := certain.FindSubmatch(f[5])
		if read == nil || !leaves[fmt.Sprintf("%s_%s", f[2], f[3])] {
			return function
		}
		return fmt.Appendf(nil, "//go:noinline\n%s\treturn ec.%s(ctx, field.Selections, %s)\n}", f[1], f[7], read[1])
	})
}

// plainFields has the other fields that take no arguments resolved without middleware. What they call is in support.txt;
// it takes functions that hold nothing, which cost no memory.
func plainFields(source []byte) []byte {
	return plainField.ReplaceAllFunc(source, func(function []byte) []byte {
		f := plainField.FindSubmatch(function)
		return fmt.Appendf(nil, "%s\treturn resolve(ctx, ec, %q, field, obj,\n"+
			"\t\tfunc(ctx context.Context, ec *executionContext, obj %s) (%s, error) {\n\t\t\treturn %s\n\t\t},\n"+
			"\t\t(*executionContext).%s, %s)\n}", f[1], f[2], f[4], f[6], f[5], f[7], f[8])
	})
}
