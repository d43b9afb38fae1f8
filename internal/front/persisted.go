package front

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// persistedQuery is the extension of a request that names its query by hash.
const persistedQuery = "persistedQuery"

// persistedQueries let clients send the hash of a query in the place of its text, as Apollo's automatic persisted queries
// have it: whoever is told PERSISTED_QUERY_NOT_FOUND sends both, and the hash alone from then on. gqlgen's own extension
// keeps texts of any length, and its refusals have no code.
type persistedQueries struct {
	known graphql.Cache[string] // texts by their hashes
}

var _ graphql.OperationParameterMutator = persistedQueries{}

// ExtensionName names them to gqlgen.
func (persistedQueries) ExtensionName() string { return "PersistedQueries" }

// Validate accepts any schema.
func (persistedQueries) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters gives a request the query that it names, or keeps the one that comes with its name. Long ones are
// not kept, as with parsed documents.
func (p persistedQueries) MutateOperationParameters(ctx context.Context, request *graphql.RawParams) *gqlerror.Error {
	if !namesQuery(request) {
		return nil
	}
	hash, readable := queryHash(request.Extensions[persistedQuery])
	if !readable {
		return badHash("extensions.persistedQuery is not version 1 with the sha256Hash of a query")
	}
	if request.Query == "" {
		query, known := p.known.Get(ctx, hash)
		if !known {
			return &gqlerror.Error{
				Message:    "PersistedQueryNotFound", // what Apollo Client looks for
				Extensions: map[string]any{"code": "PERSISTED_QUERY_NOT_FOUND"},
			}
		}
		request.Query = query
		return nil
	}
	if sum := sha256.Sum256([]byte(request.Query)); hex.EncodeToString(sum[:]) != hash {
		return badHash("extensions.persistedQuery has the hash of another query")
	}
	if len(request.Query) <= longestCachedQuery {
		p.known.Add(ctx, hash, request.Query)
	}
	return nil
}

// namesQuery tells whether a request names its query by hash.
func namesQuery(request *graphql.RawParams) bool { return request.Extensions[persistedQuery] != nil }

// queryHash reads the extension: a SHA-256 in hexadecimal digits.
func queryHash(extension any) (hash string, readable bool) {
	fields, _ := extension.(map[string]any)
	text, _ := fields["sha256Hash"].(string)
	sum, err := hex.DecodeString(text)
	return strings.ToLower(text), err == nil && len(sum) == sha256.Size && fmt.Sprint(fields["version"]) == "1"
}

func badHash(message string) *gqlerror.Error {
	return &gqlerror.Error{Message: message, Extensions: map[string]any{"code": "BAD_USER_INPUT"}}
}
