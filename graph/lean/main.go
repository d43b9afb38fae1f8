// Command lean makes what gqlgen generates cheaper to execute, without a change of what it answers. It runs after gqlgen,
// in go generate:
//
//	go run ./graph/lean graph/generated
//
// gqlgen surrounds every field with what only some need: a context of its own, middleware, a place to recover, and
// memory for @defer. A page of 50 devices has 700 fields, and most of them are a number or a text in a struct. Fields
// with resolvers, arguments or errors of their own stay as gqlgen has them, but for @defer: our transports send one
// response, and what gqlgen puts off would wait for ever to be fetched. GraphQL lets a server answer it at once.
//
// What gqlgen writes in another way one day is left alone; the test of this package says so.
package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"regexp"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: lean FOLDER")
		os.Exit(2)
	}
	if err := rewriteFolder(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "lean:", err)
		os.Exit(1)
	}
}

func rewriteFolder(folder string) error {
	names, err := filepath.Glob(filepath.Join(folder, "*.generated.go"))
	if err != nil {
		return err
	}
	straight := 0
	for _, name := range names {
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rewritten, err := rewrite(source)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		straight += bytes.Count(rewritten, []byte("(ctx, field.Selections, obj."))
		if err := os.WriteFile(name, rewritten, 0o644); err != nil {
			return err
		}
	}
	if straight == 0 {
		return fmt.Errorf("%s has no field as gqlgen writes them: look at what it generates now", folder)
	}
	return os.WriteFile(filepath.Join(folder, "object.generated.go"), support, 0o644)
}

// rewrite makes one file lean.
func rewrite(source []byte) ([]byte, error) {
	return format.Source(withoutUnusedImports(smallObjects(straightLeaves(source))))
}

var (
	// leafContext is how gqlgen describes a field whose type has no fields.
	leafContext = regexp.MustCompile(`executionContext\) fieldContext_(\w+)\(_ context\.Context, field graphql\.CollectedField\) [^\n]*\n\treturn graphql\.NewScalarFieldContext\(`)
	// structField is a field that is read from the object and can't fail.
	structField = regexp.MustCompile(`(?m)^(func \(ec \*executionContext\) _(\w+)\(ctx context\.Context, field graphql\.CollectedField, obj [^\n]*\n)` +
		`\treturn graphql\.ResolveField\(\n\t\tctx,\n\t\tec\.OperationContext,\n\t\tfield,\n` +
		`\t\tfunc\(ctx context\.Context, field graphql\.CollectedField\) [^\n]*\n[^\n]*\n\t\t},\n` +
		`\t\tfunc\(ctx context\.Context\) \(any, error\) {\n\t\t\treturn (obj\.[\w.]+(?:\(\))?), nil\n\t\t},\n` +
		`\t\tnil,\n` +
		`\t\tfunc\(ctx context\.Context, selections ast\.SelectionSet, v [^\n]*\n\t\t\treturn (ec\.marshal[^(]+)\(ctx, selections, v\)\n\t\t},\n` +
		`\t\ttrue,\n\t\t(?:true|false),\n\t\)\n}`)
)

// straightLeaves has leaf fields of structs marshalled at once. Were one to panic, whoever called for its object recovers.
func straightLeaves(source []byte) []byte {
	leaves := map[string]bool{}
	for _, match := range leafContext.FindAllSubmatch(source, -1) {
		leaves[string(match[1])] = true
	}
	return structField.ReplaceAllFunc(source, func(function []byte) []byte {
		parts := structField.FindSubmatch(function)
		if !leaves[string(parts[2])] {
			return function
		}
		return fmt.Appendf(nil, "//go:noinline\n%s\treturn %s(ctx, field.Selections, %s)\n}", parts[1], parts[4], parts[3])
	})
}

var (
	objectFunction = regexp.MustCompile(`(?ms)^func \(ec \*executionContext\) _\w+\(ctx context\.Context, sel ast\.SelectionSet.*?^}\n`)
	// resolverCase is a field with a resolver, which gqlgen resolves beside the others.
	resolverCase = regexp.MustCompile(`(?s)\t\t\tfield := field\n\n\t\t\tinnerFunc := func\(ctx context\.Context, fs \*graphql\.FieldSet\) \(res graphql\.Marshaler\) {\n` +
		`\t\t\t\tdefer func\(\) {\n[^}]*}\n\t\t\t\t}\(\)\n\t\t\t\tres = ec\.(\w+)\(ctx, field, obj\)\n\t\t\t\tif res == (graphql\.\w+) {` +
		`.*?\n\t\t\tout\.Concurrently\(i, func\(ctx context\.Context\) graphql\.Marshaler { return innerFunc\(ctx, out\) }\)\n`)
	deferPlaces = []byte("\tdeferredFieldSet := graphql.NewFieldSet(nil)\n\tdeferLabelToView := make(map[string]*graphql.FieldSetView)\n")
	deferTail   = regexp.MustCompile(`(?ms)^\tatomic\.AddInt32\(&ec\.Deferred, .*?^\t}\)\n`)
	objectEnd   = []byte("\n\treturn out\n}")
)

// smallObjects has the functions of objects hold no more than they need: gqlgen unfolds @defer for each field, and so the
// stacks of its many goroutines had to grow. What they call is in object.txt.
func smallObjects(source []byte) []byte {
	return objectFunction.ReplaceAllFunc(source, func(function []byte) []byte {
		function = bytes.Replace(function, objectEnd, []byte("\n\treturn &object{fields, out.Values}\n}"), 1)
		function = bytes.Replace(function, deferPlaces, nil, 1)
		function = deferTail.ReplaceAll(function, nil)
		return resolverCase.ReplaceAll(function, []byte(
			"\t\t\tec.resolveBeside(out, i, &fields[i], $2, func(ctx context.Context, field graphql.CollectedField) graphql.Marshaler {\n"+
				"\t\t\t\treturn ec.$1(ctx, field, obj)\n\t\t\t})\n"))
	})
}

var importLine = regexp.MustCompile(`(?m)^\t"(?:[\w./]+/)?(\w+)"\n`)

// withoutUnusedImports drops the imports of what is no longer called.
func withoutUnusedImports(source []byte) []byte {
	return importLine.ReplaceAllFunc(source, func(line []byte) []byte {
		name := string(importLine.FindSubmatch(line)[1])
		if used, _ := regexp.Match(`\b`+name+`\.`, source); used {
			return line
		}
		return nil
	})
}

// support is what the generated code calls.
//
//go:embed object.txt
var support []byte
