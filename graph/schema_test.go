package graph_test

import (
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"fleetgate/graph/schema"
)

func TestEverythingInTheSchemaIsDescribed(t *testing.T) {
	parsed, err := gqlparser.LoadSchema(&ast.Source{Name: "schema", Input: schema.SDL()})
	if err != nil {
		t.Fatal(err)
	}
	described := func(what, description string) {
		if strings.TrimSpace(description) == "" {
			t.Errorf("%s has no description", what)
		}
	}
	for name, definition := range parsed.Types {
		if definition.BuiltIn {
			continue
		}
		described(name, definition.Description)
		for _, field := range definition.Fields {
			if strings.HasPrefix(field.Name, "__") {
				continue
			}
			described(name+"."+field.Name, field.Description)
			for _, argument := range field.Arguments {
				described(name+"."+field.Name+"("+argument.Name+")", argument.Description)
			}
		}
		for _, value := range definition.EnumValues {
			described(name+"."+value.Name, value.Description)
		}
	}
}

func TestMutationsFollowTheConvention(t *testing.T) {
	parsed, err := gqlparser.LoadSchema(&ast.Source{Name: "schema", Input: schema.SDL()})
	if err != nil {
		t.Fatal(err)
	}
	for _, mutation := range parsed.Mutation.Fields {
		if strings.HasPrefix(mutation.Name, "__") {
			continue
		}
		want := strings.ToUpper(mutation.Name[:1]) + mutation.Name[1:]
		if got := mutation.Type.String(); got != want+"Payload!" {
			t.Errorf("%s answers %s, want %sPayload!", mutation.Name, got, want)
		}
		for _, argument := range mutation.Arguments {
			if argument.Name != "input" || argument.Type.String() != want+"Input!" {
				t.Errorf("%s takes %s: %s, want input: %sInput!", mutation.Name, argument.Name, argument.Type, want)
			}
		}
		if payload := parsed.Types[mutation.Type.Name()]; payload.Fields.ForName("userErrors") == nil {
			t.Errorf("%s has no userErrors", payload.Name)
		}
	}
}
