package glpiproxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"strings"

	"fleetgate/glpiproxy"
	"fleetgate/internal/sim/glpi"
)

// signIn gives the examples a GLPI of their own and its administrator's session.
func signIn() (s *glpiproxy.Session, entityID int, done func()) {
	simulated := glpi.New(glpi.Options{})
	simulated.SeedDemo(glpi.DemoOptions{Seed: 1})
	server := httptest.NewServer(simulated)
	client, err := glpiproxy.New(glpiproxy.Options{URL: server.URL + "/glpi"})
	if err == nil {
		s, err = client.SignIn(context.Background(), "admin@acme.test", glpi.DemoPassword)
	}
	if err != nil {
		panic(err)
	}
	scope, err := s.Scope(context.Background())
	if err != nil {
		panic(err)
	}
	return s, scope.EntityID, func() {
		_ = client.Close()
		server.Close()
	}
}

// Make a fleet and apply a policy to it.
func ExampleCreateItem() {
	ctx := context.Background()
	session, entityID, done := signIn()
	defer done()

	fleetID, err := glpiproxy.CreateItem(ctx, session, glpiproxy.FleetInput{Name: "Paris", EntityID: entityID})
	if err != nil {
		fmt.Println(err)
		return
	}
	policies, err := glpiproxy.List[glpiproxy.Policy](ctx, session, glpiproxy.ListOptions{Filter: map[string]string{"symbol": "disableCamera"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	target := glpiproxy.Target{Kind: glpiproxy.TargetFleet, ID: fleetID}
	task := glpiproxy.TaskInput{Target: target, PolicyID: policies.Items[0].ID, Value: "1"}
	if _, err := glpiproxy.CreateItem(ctx, session, task); err != nil {
		fmt.Println(err)
		return
	}
	_, err = glpiproxy.CreateItem(ctx, session, task) // once more
	var refused *glpiproxy.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Kind, "-", refused.Message)
	}
	tasks, err := glpiproxy.TasksOf(ctx, session, target)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(tasks), "task, set to", tasks[0].Value)

	// Output:
	// invalid - Policy already applied
	// 1 task, set to 1
}

// Change several items at once: each has its own outcome.
func ExampleUpdateMany() {
	ctx := context.Background()
	session, entityID, done := signIn()
	defer done()

	fleetID, err := glpiproxy.CreateItem(ctx, session, glpiproxy.FleetInput{Name: "Pariss", EntityID: entityID})
	if err != nil {
		fmt.Println(err)
		return
	}
	name := "Paris"
	outcomes, err := glpiproxy.UpdateMany(ctx, session, []glpiproxy.Edit[glpiproxy.FleetChange]{
		{ID: fleetID, Change: glpiproxy.FleetChange{Name: &name}},
		{ID: 99999, Change: glpiproxy.FleetChange{Name: &name}},
	})
	if err != nil {
		fmt.Println(err) // nothing was sent
		return
	}
	for _, outcome := range outcomes {
		fmt.Println(outcome.Err)
	}

	// Output:
	// <nil>
	// glpi update: not found: no such PluginFlyvemdmFleet
}

// Send a file and read the end of it back.
func ExampleUpload() {
	ctx := context.Background()
	session, _, done := signIn()
	defer done()

	id, err := glpiproxy.Upload[glpiproxy.File](ctx, session, glpiproxy.UploadInput{
		FileName: "hello.txt", Content: strings.NewReader("hello from Paris\n"), Limit: 1 << 20,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	file, err := glpiproxy.Open[glpiproxy.File](ctx, session, id)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(file.Name, file.Size)
	_, _ = file.Seek(-6, io.SeekEnd)
	_, _ = io.Copy(os.Stdout, file)

	// Output:
	// hello.txt 17
	// Paris
}
