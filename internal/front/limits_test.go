package front

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

var weighed = gqlparser.MustLoadSchema(&ast.Source{Input: `
	type Query {
		agents(first: Int, last: Int): AgentConnection!
		fleets(first: Int = 20): FleetConnection!
		policies: [Policy!]!
		nodes(ids: [ID!]!): [Agent]!
		viewer: Person
		name: String
	}
	input Batch { ids: [ID!]! }
	type Mutation { lock(input: Batch!): LockPayload! }
	type LockPayload { results: [LockResult!]! }
	type LockResult { agent: Agent errors: [Policy!]! }
	type Subscription { named(names: [String!]): String }
	type AgentConnection { edges: [AgentEdge!]! nodes: [Agent!]! totalCount: Int! }
	type AgentEdge { node: Agent! }
	type Agent { id: ID! name: String fleet: Fleet owner: Person }
	type FleetConnection { nodes: [Fleet!]! }
	type Fleet { name: String agents(first: Int): AgentConnection! }
	type Policy { id: ID! parent: Policy }
	type Person { name: String friend: Person agents(first: Int): AgentConnection! }
`})

// limited executes nothing: it takes queries as far as the limits.
func limited(l Limits) *executor.Executor {
	l.setDefaults()
	e := executor.New(&graphql.ExecutableSchemaMock{SchemaFunc: func() *ast.Schema { return weighed }})
	e.SetParserTokenLimit(l.Tokens)
	e.Use(documentLimits{l.Tokens, graphql.NoCache[*ast.QueryDocument]{}})
	e.Use(queryLimits{l})
	return e
}

func admit(l Limits, query string, variables map[string]any) error {
	ctx := graphql.StartOperationTrace(context.Background())
	_, errs := limited(l).CreateOperationContext(ctx, &graphql.RawParams{Query: query, Variables: variables})
	if len(errs) == 0 {
		return nil
	}
	return errs[0]
}

// weigh parses and weighs a query without any limit.
func weigh(t *testing.T, query string, variables map[string]any) (weight, *scale) {
	t.Helper()
	doc, errs := gqlparser.LoadQueryWithRules(weighed, query, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	s := newScale(variables)
	return s.selections(doc.Operations[0].SelectionSet), s
}

func TestWeight(t *testing.T) {
	tests := []struct {
		query     string
		variables map[string]any
		want      weight
	}{
		{`{name}`, nil, weight{depth: 1}},
		{`{viewer{name}}`, nil, weight{depth: 2, cost: 1}},
		{`{a:name b:viewer{name}}`, nil, weight{depth: 2, cost: 1, aliases: 2}},
		{`{agents(first:10){totalCount}}`, nil, weight{depth: 2, cost: 1}},
		{`{agents(first:10){nodes{id}}}`, nil, weight{depth: 3, cost: 11}},
		{`{agents(last:10){nodes{id fleet{name}}}}`, nil, weight{depth: 4, cost: 21}},
		{`{agents(first:10){edges{node{id}}}}`, nil, weight{depth: 4, cost: 21}},
		{`{agents{nodes{id}}}`, nil, weight{depth: 3, cost: 51}},
		{`{agents(first:null){nodes{id}}}`, nil, weight{depth: 3, cost: 51}},
		{`{fleets{nodes{name}}}`, nil, weight{depth: 3, cost: 21}}, // the schema's own default
		{`query($n:Int){agents(first:$n){nodes{id}}}`, map[string]any{"n": int64(7)}, weight{depth: 3, cost: 8}},
		{`query($n:Int){agents(first:$n){nodes{id}}}`, nil, weight{depth: 3, cost: 51}},
		{`query($n:Int=3){agents(first:$n){nodes{id}}}`, map[string]any{"n": int64(3)}, weight{depth: 3, cost: 4}},
		{`{agents(first:-5){nodes{id}}}`, nil, weight{depth: 3, cost: 1}},
		{`{agents(first:100){nodes{fleet{agents(first:100){nodes{id}}}}}}`, nil, weight{depth: 6, cost: 1 + 100*(1+1+1+100)}},
		{`{agents(first:2147483647){nodes{fleet{agents(first:2147483647){nodes{id}}}}}}`, nil, weight{depth: 6, cost: heaviest}},
		{`{policies{id parent{id}}}`, nil, weight{depth: 3, cost: 20}},
		{`{nodes(ids:["a","b","c"]){id}}`, nil, weight{depth: 2, cost: 3}},
		{`query($ids:[ID!]!){nodes(ids:$ids){id}}`, map[string]any{"ids": []any{"a", "b"}}, weight{depth: 2, cost: 2}},
		{`{viewer{...p}} fragment p on Person{name friend{name}}`, nil, weight{depth: 3, cost: 2}},
		{`{viewer{... on Person{friend{n:name}}}}`, nil, weight{depth: 3, cost: 2, aliases: 1}},
		{`{__schema{types{fields{type{ofType{ofType{name}}}}}} __typename}`, nil, weight{}},
		{`{s:__schema{t:types{name}}}`, nil, weight{aliases: 2}},
	}
	for _, test := range tests {
		if got, _ := weigh(t, test.query, test.variables); got != test.want {
			t.Errorf("%s: got %+v, want %+v", test.query, got, test.want)
		}
	}
}

func TestLimits(t *testing.T) {
	nested := func(depth int) string {
		return "{viewer" + strings.Repeat("{friend", depth-2) + "{name}" + strings.Repeat("}", depth-1)
	}
	aliases := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, " a%d:name", i)
		}
		return "{" + b.String() + "}"
	}
	tests := []struct {
		name, query string
		refusal     string // a part of it; "": let through
	}{
		{"deep enough", nested(15), ""},
		{"too deep", nested(16), "nested 16 levels deep"},
		{"aliases", aliases(30), ""},
		{"too many aliases", aliases(31), "has 31 aliases"},
		{"aliases of __typename", "{" + strings.ReplaceAll(aliases(101)[1:], "name", "__typename"), "has 101 aliases"},
		{"a whole page", `{agents(first:100){nodes{id fleet{name} owner{name}}}}`, ""},
		{"a page of pages", `{agents(first:100){nodes{fleet{agents(first:100){nodes{id}}}}}}`, ""},
		{"a page of pages of pages", `{agents(first:100){nodes{fleet{agents(first:100){nodes{owner{agents(first:100){nodes{id}}}}}}}}}`, "objects"},
		{"too many tokens", "{" + strings.Repeat(" name", 1001) + "}", "token limit"},
		{"what GraphiQL asks", introspection, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := admit(Limits{}, test.query, nil)
			switch {
			case test.refusal == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.refusal != "" && (err == nil || !strings.Contains(err.Error(), test.refusal)):
				t.Errorf("got %v, want %q", err, test.refusal)
			}
		})
	}
}

// Each of the items that a mutation is given has its result, wherever the mutation and its list stand.
func TestBatchesAreWeighed(t *testing.T) {
	many := func(n int) map[string]any {
		return map[string]any{"b": map[string]any{"ids": slices.Repeat([]any{"x"}, n)}}
	}
	const small, wide = `results{agent{name} errors{id}}`, `results{agent{fleet{agents(first:400){nodes{id}}}}}`
	for name, c := range map[string]struct {
		query     string
		variables map[string]any
		refused   bool
	}{
		"one, with much":              {`mutation($b:Batch!){lock(input:$b){` + wide + `}}`, many(1), false},
		"many, with little":           {`mutation($b:Batch!){lock(input:$b){` + small + `}}`, many(500), false},
		"many, with much":             {`mutation($b:Batch!){lock(input:$b){` + wide + `}}`, many(500), true},
		"in a fragment":               {`mutation($b:Batch!){...m} fragment m on Mutation{lock(input:$b){` + wide + `}}`, many(500), true},
		"in an inline fragment":       {`mutation($b:Batch!){...{lock(input:$b){` + wide + `}}}`, many(500), true},
		"after one that has less":     {`mutation($b:Batch!){a:lock(input:{ids:["x"]}){...p} b:lock(input:$b){...p}} fragment p on LockPayload{` + wide + `}`, many(500), true},
		"written out in the document": {`mutation{lock(input:{ids:[` + strings.Repeat(`"x",`, 400) + `]}){` + wide + `}}`, nil, true},
	} {
		err := admit(Limits{}, c.query, c.variables)
		if (err != nil) != c.refused || err != nil && !strings.Contains(err.Error(), "objects") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a subscription is asked for with is held as long as it lives, so it is bounded, however it comes.
func TestLongSubscriptions(t *testing.T) {
	const most = 1000
	long := strings.Repeat("x", most)
	for name, c := range map[string]struct {
		query     string
		variables map[string]any
		refused   bool
	}{
		"short":            {`subscription{named}`, nil, false},
		"a long text":      {`subscription{named(names:"` + long + `")}`, nil, true},
		"a long comment":   {`subscription{named} #` + long, nil, true},
		"a long variable":  {`subscription($n:[String!]){named(names:$n)}`, map[string]any{"n": []any{long}}, true},
		"a short variable": {`subscription($n:[String!]){named(names:$n)}`, map[string]any{"n": []any{"x"}}, false},
		"a query is free":  {`{name} #` + long, nil, false},
	} {
		if err := admit(Limits{Subscription: most}, c.query, c.variables); (err != nil) != c.refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// doubling is a query whose fragments each spread the next one twice: 2^levels leaves.
func doubling(levels int, spread string) string {
	var b strings.Builder
	b.WriteString("{viewer{...f0}}")
	for i := range levels {
		fmt.Fprintf(&b, " fragment f%d on Person{%s}", i, fmt.Sprintf(spread, i+1, i+1))
	}
	fmt.Fprintf(&b, " fragment f%d on Person{name}", levels)
	return b.String()
}

// TestHostileQueriesAreWeighedQuickly counts the work: one look at each selection of the text.
func TestHostileQueriesAreWeighedQuickly(t *testing.T) {
	for name, spread := range map[string]string{
		"twice":      "...f%d ...f%d",
		"by aliases": "a:friend{...f%d} b:friend{...f%d}",
		"by inline":  "...on Person{...f%d} ...on Person{...f%d}",
		"by fields":  "friend{...f%d} friend{...f%d}",
	} {
		t.Run(name, func(t *testing.T) {
			query := doubling(22, spread)
			doc, err := parser.ParseQuery(&ast.Source{Input: query})
			if err != nil {
				t.Fatal(err)
			}
			most := written(doc)
			if _, s := weigh(t, query, nil); s.looks > most {
				t.Errorf("%d looks at %d selections", s.looks, most)
			}
		})
	}
	query := doubling(22, "a:friend{...f%d} b:friend{...f%d}")
	err := admit(Limits{Depth: 100}, query, nil)
	if err == nil || !strings.Contains(err.Error(), "selections") {
		t.Errorf("got %v, want a refusal for millions of selections", err)
	}
}

// written counts the selections in the text of a document.
func written(doc *ast.QueryDocument) int {
	var in func(ast.SelectionSet) int
	in = func(set ast.SelectionSet) int {
		n := len(set)
		for _, selection := range set {
			switch selection := selection.(type) {
			case *ast.Field:
				n += in(selection.SelectionSet)
			case *ast.InlineFragment:
				n += in(selection.SelectionSet)
			}
		}
		return n
	}
	n := 0
	for _, operation := range doc.Operations {
		n += in(operation.SelectionSet)
	}
	for _, fragment := range doc.Fragments {
		n += in(fragment.SelectionSet)
	}
	return n
}

func TestRefusalsHaveACode(t *testing.T) {
	err := queryLimits{Limits{Depth: 1, Cost: 1, Aliases: 1}}.MutateOperationContext(t.Context(), &graphql.OperationContext{
		Operation: &ast.OperationDefinition{SelectionSet: ast.SelectionSet{
			&ast.Field{Name: "a", Alias: "b", Definition: &ast.FieldDefinition{}},
			&ast.Field{Name: "a", Alias: "c", Definition: &ast.FieldDefinition{}},
		}},
	})
	if err == nil || err.Extensions["code"] != "QUERY_TOO_COMPLEX" {
		t.Errorf("got %v", err)
	}
}

// introspection is GraphiQL's, shortened only in its list of scalars.
const introspection = `query IntrospectionQuery { __schema { description queryType { name } mutationType { name }
	subscriptionType { name } types { ...FullType } directives { name description isRepeatable locations
	args(includeDeprecated: true) { ...InputValue } } } }
	fragment FullType on __Type { kind name description specifiedByURL fields(includeDeprecated: true) { name description
	args(includeDeprecated: true) { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason }
	inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef }
	enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
	fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue isDeprecated deprecationReason }
	fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
	ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }`
