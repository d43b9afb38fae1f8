package graph_test

import (
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"fleetgate/graph/schema"
)

func TestEverythingInTheSchemaIsDescribed(t *testing.T) {
	parsed := loadSchema(t)
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
	parsed := loadSchema(t)
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

func TestConnectionsAreAlike(t *testing.T) {
	parsed := loadSchema(t)
	model := parsed.Query.Fields.ForName("agents")
	found := 0
	for name, definition := range parsed.Types {
		for _, field := range definition.Fields {
			if !strings.HasSuffix(field.Type.Name(), "Connection") {
				continue
			}
			found++
			for _, argument := range []string{"first", "after", "last", "before"} {
				want, got := model.Arguments.ForName(argument), field.Arguments.ForName(argument)
				if got == nil || got.Type.String() != want.Type.String() || got.Description != want.Description {
					t.Errorf("%s.%s takes %v as %s", name, field.Name, got, argument)
				}
			}
			for _, part := range []string{"edges", "nodes", "pageInfo", "totalCount"} {
				if parsed.Types[field.Type.Name()].Fields.ForName(part) == nil {
					t.Errorf("%s has no %s", field.Type.Name(), part)
				}
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d connections", found)
	}
}

func TestDeprecationsTellWhy(t *testing.T) {
	mute := func(sdl string) (fields []string) {
		parsed, err := gqlparser.LoadSchema(&ast.Source{Name: "schema", Input: sdl})
		if err != nil {
			t.Fatal(err)
		}
		check := func(at string, directives ast.DirectiveList) {
			for _, d := range directives.ForNames("deprecated") {
				if reason := d.Arguments.ForName("reason"); reason == nil || reason.Value.Raw == "" {
					fields = append(fields, at)
				}
			}
		}
		for name, definition := range parsed.Types {
			for _, field := range definition.Fields {
				check(name+"."+field.Name, field.Directives)
				for _, argument := range field.Arguments {
					check(name+"."+field.Name+"("+argument.Name+")", argument.Directives)
				}
			}
			for _, value := range definition.EnumValues {
				check(name+"."+value.Name, value.Directives)
			}
		}
		return fields
	}
	if found := mute(schema.SDL()); len(found) > 0 {
		t.Errorf("deprecated without a reason: %q", found)
	}
	if found := mute(schema.SDL() + "\ntype Gone { b: Int @deprecated c: Int @deprecated(reason: \"d\") }"); len(found) != 1 {
		t.Errorf("a deprecation without a reason was not found: %q", found)
	}
}
