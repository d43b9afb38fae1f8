package glpiproxy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// itemDecoders decode a row as each of the item types.
var itemDecoders = []func(row) (Item, error){
	as[Agent], as[Fleet], as[Computer], as[User], as[UserEmail], as[Entity], as[Invitation], as[Policy], as[PolicyCategory],
	as[Geolocation], as[File], as[Application], as[ComputerModel], as[ComputerType], as[Manufacturer], as[OperatingSystem],
	as[OperatingSystemVersion], as[InstalledOperatingSystem], as[EntityConfig], as[WellKnownPath], as[QueuedMail], as[UserTitle],
	as[UserCategory], as[Location], as[ProfileName], as[ProfileUser], as[Task], as[TaskStatus], as[InvitationLog],
	as[SoftwareVersion], as[DeviceProcessor], as[DeviceBattery], as[DeviceSimcard], as[Line],
}

func as[T Item](r row) (Item, error) {
	return decodeRow[T](r, time.UTC, columnsOf(reflect.TypeFor[T]()))
}

// itemTypes are GLPI's names of the item types.
func itemTypes(t *testing.T) (names []string) {
	t.Helper()
	for _, as := range itemDecoders {
		item, err := as(row{"id": []byte("1")})
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, item.itemtype())
	}
	return names
}

// The list above, with which other tests try every type, has every type of the sources.
func TestEveryItemTypeIsTried(t *testing.T) {
	var tried, declared []string
	for _, as := range itemDecoders {
		item, _ := as(row{"id": []byte("1")})
		tried = append(tried, reflect.TypeOf(item).Name())
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.Name == "itemtype" {
				declared = append(declared, f.Recv.List[0].Type.(*ast.Ident).Name)
			}
		}
	}
	slices.Sort(tried)
	slices.Sort(declared)
	if !slices.Equal(tried, declared) {
		t.Errorf("tried are\n%v, there are\n%v", tried, declared)
	}
}
