package main

import (
	"bytes"
	"regexp"
)

var (
	inputMap    = regexp.MustCompile(`(?s)\tinputUnmarshalMap := graphql\.BuildUnmarshalerMap\(\n.*?\n\t\)\n`)
	inputMapUse = regexp.MustCompile(`\t+ctx = graphql\.WithUnmarshalerMap\(ctx, inputUnmarshalMap\)\n`)
	writing     = regexp.MustCompile(`(\t+var buf bytes\.Buffer\n)(\t+)(data\.MarshalGQL\(&buf\)\n)`)

	execution     = regexp.MustCompile(`(type executionContext struct {\n\t\*graphql\.ExecutionContextState\[[^\n]*\n)}`)
	enumWriting   = []byte("_, _ = fmt.Fprint(w, strconv.Quote(e.String()))")
	enumWrittenAs = []byte("_, _ = io.WriteString(w, `\"`+string(e)+`\"`)")
)

// leanOperations drops what each operation makes anew and nobody asks for, and has it remember what was selected of objects
// and how much there is to write.
func leanOperations(source []byte) []byte {
	source = inputMapUse.ReplaceAll(inputMap.ReplaceAll(source, nil), nil)
	source = writing.ReplaceAll(source, []byte("$1${2}buf.Grow(int(ec.size.Load()))\n$2$3"))
	return execution.ReplaceAll(source, []byte("$1\tselections selections\n\tsize atomic.Int64 // of the response in bytes, about\n}"))
}

// straightEnums has enum values written as they are: names need no escapes.
func straightEnums(source []byte) []byte { return bytes.ReplaceAll(source, enumWriting, enumWrittenAs) }
