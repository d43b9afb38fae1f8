package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const header = "package generated\n\nimport (\n\t\"context\"\n\t\"errors\"\n\t\"math\"\n\t\"sync/atomic\"\n\n\t\"github.com/99designs/gqlgen/graphql\"\n" +
	"\t\"github.com/vektah/gqlparser/v2/ast\"\n)\n\n"

// field is what gqlgen writes for a field of a struct.
const field = `func (ec *executionContext) _Fleet_name(ctx context.Context, field graphql.CollectedField, obj *model.Fleet) (ret graphql.Marshaler) {
	return graphql.ResolveField(
		ctx,
		ec.OperationContext,
		field,
		func(ctx context.Context, field graphql.CollectedField) (*graphql.FieldContext, error) {
			return ec.fieldContext_Fleet_name(ctx, field)
		},
		func(ctx context.Context) (any, error) {
			return obj.Name, nil
		},
		nil,
		func(ctx context.Context, selections ast.SelectionSet, v string) graphql.Marshaler {
			return ec.marshalNString2string(ctx, selections, v)
		},
		true,
		true,
	)
}
func (ec *executionContext) fieldContext_Fleet_name(_ context.Context, field graphql.CollectedField) (fc *graphql.FieldContext, err error) {
	return graphql.NewScalarFieldContext("Fleet", field, false, false, errors.New("field of type String does not have child fields"))
}
`

const objectFields = `func (ec *executionContext) _Fleet(ctx context.Context, sel ast.SelectionSet, obj *model.Fleet) graphql.Marshaler {
	fields := graphql.CollectFields(ec.OperationContext, sel, fleetImplementors)

	out := graphql.NewFieldSet(fields)
	deferredFieldSet := graphql.NewFieldSet(nil)
	deferLabelToView := make(map[string]*graphql.FieldSetView)
	for i, field := range fields {
		switch field.Name {
		case "entity":
			field := field

			innerFunc := func(ctx context.Context, fs *graphql.FieldSet) (res graphql.Marshaler) {
				defer func() {
					if r := recover(); r != nil {
						ec.Error(ctx, ec.Recover(ctx, r))
					}
				}()
				res = ec._Fleet_entity(ctx, field, obj)
				if res == graphql.Null {
					atomic.AddUint32(&fs.Invalids, 1)
				}
				return res
			}

			if field.IsDeferred() {
				deferredFieldSet.AddField(field)
				continue
			}

			out.Concurrently(i, func(ctx context.Context) graphql.Marshaler { return innerFunc(ctx, out) })
		case "name":
			out.Values[i] = ec._Fleet_name(ctx, field, obj)
		default:
			panic("unknown field " + strconv.Quote(field.Name))
		}
	}
	out.Dispatch(ctx)

	atomic.AddInt32(&ec.Deferred, int32(min(len(deferLabelToView), math.MaxInt32)))

	ec.ProcessDeferredGroup(graphql.DeferredGroup{
		Defers:   deferLabelToView,
		FieldSet: deferredFieldSet,
	})

	return out
}
`

const leanObject = `func (ec *executionContext) _Fleet(ctx context.Context, sel ast.SelectionSet, obj *model.Fleet) graphql.Marshaler {
	out := ec.newObject(sel, fleetImplementors)
	fields := out.fields
	for i, field := range fields {
		switch field.Name {
		case "name":
			out.Values[i] = ec._Fleet_name(ctx, field, obj)
		case "entity":
			out.later = true
		default:
			panic("unknown field " + strconv.Quote(field.Name))
		}
	}
	if out.later {
		out.inTurn(ctx, func(ctx context.Context, i int) {
			field := fields[i]
			switch field.Name {
			case "entity":
				out.Values[i] = ec._Fleet_entity(ctx, field, obj)
				if out.Values[i] == graphql.Null {
					atomic.AddUint32(&out.Invalids, 1)
				}
			}
		})
	}

	return out
}
`

const operation = `func (e *executableSchema) Exec(ctx context.Context) graphql.ResponseHandler {
	inputUnmarshalMap := graphql.BuildUnmarshalerMap(
		ec.unmarshalInputFilter,
	)
	return func(ctx context.Context) *graphql.Response {
		ctx = graphql.WithUnmarshalerMap(ctx, inputUnmarshalMap)
		var buf bytes.Buffer
		data.MarshalGQL(&buf)
		return nil
	}
}

type executionContext struct {
	*graphql.ExecutionContextState[ResolverRoot, DirectiveRoot, ComplexityRoot]
}
`

const leanOperation = `func (e *executableSchema) Exec(ctx context.Context) graphql.ResponseHandler {
	return func(ctx context.Context) *graphql.Response {
		var buf bytes.Buffer
		buf.Grow(int(ec.size.Load()))
		data.MarshalGQL(&buf)
		return nil
	}
}

type executionContext struct {
	*graphql.ExecutionContextState[ResolverRoot, DirectiveRoot, ComplexityRoot]
	selections selections
	size       atomic.Int64 // of the response in bytes, about
}
`

const leanResolver = `{
	return resolve(ctx, ec, "Fleet", field, obj,
		func(ctx context.Context, ec *executionContext, obj *model.Fleet) (string, error) {
			return ec.Resolvers.Fleet().Name(ctx, obj)
		},
		(*executionContext).marshalNString2string, true)
}
`

const list = `func (ec *executionContext) marshalNFleet2(ctx context.Context, sel ast.SelectionSet, v []*model.Fleet) graphql.Marshaler {
	ret := graphql.MarshalSliceConcurrently(ctx, len(v), 0, false, func(ctx context.Context, i int) graphql.Marshaler {
		return ec.marshalNFleet(ctx, sel, v[i])
	})

	return ret
}
`

func TestRewrite(t *testing.T) {
	for _, test := range []struct {
		name, source string
		want         string // a part of what becomes of it; "": it stays as it is
	}{
		{"a field of a struct", field, "{\n\treturn ec.marshalNString2string(ctx, field.Selections, obj.Name)\n}\n"},
		{"a method", strings.Replace(field, "obj.Name,", "obj.Name(),", 1), "field.Selections, obj.Name())\n"},
		{"a nullable field", strings.Replace(field, "\t\ttrue,\n\t)", "\t\tfalse,\n\t)", 1), "field.Selections, obj.Name)\n"},
		{"a resolver", strings.Replace(field, "return obj.Name, nil", "return ec.Resolvers.Fleet().Name(ctx, obj)", 1), leanResolver},
		{"a method that can fail", strings.Replace(field, "return obj.Name, nil", "return obj.Name()", 1), "return obj.Name()\n\t\t},\n\t\t(*exec"},
		{"a field with arguments", strings.Replace(field, "\treturn obj.Name, nil", "\tfc := graphql.GetFieldContext(ctx)\n"+
			`			return ec.Resolvers.Fleet().Name(ctx, obj, fc.Args["of"].(int))`, 1), ""},
		{"a field with a directive", strings.Replace(field, "\t\tnil,\n\t\tfunc", "\t\tdirectives,\n\t\tfunc", 1), ""},
		{"a field with fields of its own", strings.Replace(field, "NewScalarFieldContext", "NewObjectFieldContext", 1), "return obj.Name, nil\n\t\t},\n\t\t(*exec"},
		{"an object", objectFields, leanObject},
		{"an operation", operation, leanOperation},
		{"a list", list, "ret := ec.marshalList(ctx, len(v), func(ctx context.Context, i int) graphql.Marshaler {"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.want == "" {
				test.want = test.source
			}
			got, err := rewrite([]byte(header + test.source))
			if err != nil || !strings.Contains(string(got), test.want) {
				t.Errorf("error %v, in\n%s\nwant\n%s", err, got, test.want)
			}
			again, err := rewrite(got)
			if err != nil || string(again) != string(got) {
				t.Errorf("rewritten once more it is\n%s, error %v", again, err)
			}
		})
	}
}

func TestImportsThatAreNotUsedAnyMoreGo(t *testing.T) {
	got, err := rewrite([]byte(header + objectFields))
	if err != nil || strings.Contains(string(got), `"math"`) || !strings.Contains(string(got), `"context"`) {
		t.Errorf("error %v, in\n%s", err, got)
	}
}

// What gqlgen writes may change with its version: then there would be nothing to make lean, without a word.
func TestTheGeneratedCodeIsLean(t *testing.T) {
	names, err := filepath.Glob("../generated/*.generated.go")
	if err != nil || len(names) < 10 {
		t.Fatalf("error %v, files %v", err, names)
	}
	straight, plain, inTurn, lists := 0, 0, 0, 0
	for _, name := range names {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text := string(source)
		straight += strings.Count(text, "(ctx, field.Selections, obj.")
		plain += strings.Count(text, "\treturn resolve(ctx, ec, ")
		inTurn += strings.Count(text, "\tout.inTurn(ctx, ")
		lists += strings.Count(text, ":= ec.marshalList(ctx, ")
		for _, heavy := range []string{"deferredFieldSet", "ProcessDeferredGroup(", "MarshalSliceConcurrently(", "BuildUnmarshalerMap("} {
			if strings.Contains(text, heavy) {
				t.Errorf("%s still has %q: run go generate . and see what gqlgen writes now", name, heavy)
			}
		}
		rewritten, err := rewrite(source)
		if err != nil || string(rewritten) != text {
			t.Errorf("%s is not lean: run go generate . (error %v)", name, err)
		}
	}
	if straight < 400 || plain < 200 || inTurn < 25 || lists < 50 {
		t.Errorf("only %d fields are marshalled straight, %d without middleware, %d objects and %d lists in turn", straight, plain, inTurn, lists)
	}
}

func TestEnumsAreWrittenAsTheyAre(t *testing.T) {
	source, err := os.ReadFile("../model/models_gen.go")
	if err != nil || strings.Contains(string(source), "strconv.Quote(e.String())") || strings.Count(string(source), string(enumWrittenAs)) < 20 {
		t.Errorf("error %v: run go generate . and see what gqlgen writes now", err)
	}
	name := filepath.Join(t.TempDir(), "models_gen.go")
	if err := os.WriteFile(name, []byte("package model\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := rewriteModels(name); err == nil || !strings.Contains(err.Error(), "no enums") {
		t.Errorf("got %v", err)
	}
}

func TestAFolderOfAnotherShapeIsRefused(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "a.generated.go"), []byte("package generated\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := rewriteFolder(folder); err == nil || !strings.Contains(err.Error(), "no field") {
		t.Errorf("got %v", err)
	}
}
