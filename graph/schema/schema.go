// Package schema holds the GraphQL schema as it is written, one file a subject.
package schema

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed *.graphqls
var files embed.FS

// SDL is the whole schema in the schema definition language, the files in the order of their names.
func SDL() string {
	var sdl strings.Builder
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		panic(err) // the files are embedded above; they can't be unreadable
	}
	for i, entry := range entries {
		text, err := files.ReadFile(entry.Name())
		if err != nil {
			panic(err)
		}
		if i > 0 {
			sdl.WriteString("\n")
		}
		sdl.Write(text)
	}
	return sdl.String()
}
