// Command lean makes what gqlgen generates cheaper to execute, without a change of what it answers. It runs after gqlgen,
// in go generate:
//
//	go run ./graph/lean graph/generated graph/model/models_gen.go
//
// gqlgen surrounds every field with what only some need: a context of its own, middleware, a place to recover, a goroutine,
// and memory for @defer. A page of 50 devices has 700 fields, and most of them are a number or a text in a struct, or at
// hand already. This is made of it:
//
//   - What is read from a struct and can't fail is marshalled at once.
//   - Other fields without arguments and directives get a context for their path and no middleware; there is none.
//   - The fields of an object and the items of a list are resolved in turn (internal/inturn): a goroutine is begun for what
//     is left when one has to wait, and not for each.
//
// Fields with arguments or directives stay as gqlgen has them, but for @defer: our transports send one response, and what
// gqlgen puts off would wait for ever to be fetched. GraphQL lets a server answer it at once.
//
// What gqlgen writes in another way one day is left alone; the test of this package says so.
package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"regexp"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: lean FOLDER MODELS")
		os.Exit(2)
	}
	if err := errors.Join(rewriteFolder(os.Args[1]), rewriteModels(os.Args[2])); err != nil {
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
	return os.WriteFile(filepath.Join(folder, "support.generated.go"), support, 0o644)
}

func rewriteModels(name string) error {
	source, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	rewritten := straightEnums(source)
	if !bytes.Contains(rewritten, enumWrittenAs) {
		return fmt.Errorf("%s has no enums as gqlgen writes them: look at what it generates now", name)
	}
	return os.WriteFile(name, rewritten, 0o644)
}

// rewrite makes one file lean.
func rewrite(source []byte) ([]byte, error) {
	return format.Source(withoutUnusedImports(leanOperations(listsInTurn(objectsInTurn(plainFields(straightLeaves(source)))))))
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
//go:embed support.txt
var support []byte
