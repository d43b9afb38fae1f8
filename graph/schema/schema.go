// Package schema holds the GraphQL schema as it is written, one file a subject.
package schema

import (
	"embed"
	"io/fs"
	"strings"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"
)

//go:embed *.graphqls
var files embed.FS

// SDL is the whole schema in the schema definition language, each type in one piece, as clients' tools want it. The
// same text, for those who have no Go, is kept in graph/schema.graphql.
func SDL() string {
	schema, err := gqlparser.LoadSchema(sources()...)
	if err != nil {
		panic(err) // gqlgen refuses to generate code from a schema that is wrong
	}
	var sdl strings.Builder
	formatter.NewFormatter(&sdl, formatter.WithIndent("  ")).FormatSchema(schema)
	return sdl.String()
}

func sources() (sources []*ast.Source) {
	entries, err := fs.ReadDir(files, ".")
	for _, entry := range entries {
		var text []byte
		if text, err = files.ReadFile(entry.Name()); err != nil {
			break
		}
		sources = append(sources, &ast.Source{Name: entry.Name(), Input: string(text)})
	}
	if err != nil {
		panic(err) // the files are embedded above; they can't be unreadable
	}
	return sources
}
