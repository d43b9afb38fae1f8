// Fleetgate gives an existing GLPI with its Flyve MDM plugin a GraphQL face with live data.
//
// This file is the table of contents: what the commands are, and how the parts are put together.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"fleetgate/graph/schema"
	"fleetgate/internal/gateway"
	"fleetgate/internal/heap"
	"fleetgate/internal/settings"
	"fleetgate/internal/sim"
)

//go:generate go tool gqlgen generate
//go:generate go run ./graph/lean graph/generated graph/model/models_gen.go
//go:generate sh -c "go run . schema >graph/schema.graphql.new && mv graph/schema.graphql.new graph/schema.graphql"

// version is the gateway's; a release sets it with -ldflags "-X main.version=1.2.3".
var version = "0.1.0-dev"

// exitUsage is the exit code for a wrong setting, exitFailure the one for anything that went wrong later.
const (
	exitFailure = 1
	exitUsage   = 2
)

type commands struct {
	Demo    demoCommand    `cmd:"" help:"Run everything embedded: a simulated GLPI, an MQTT broker, simulated phones, and the gateway in front of them. Sign in as admin@acme.test or admin@globex.test, password demo."`
	Serve   serveCommand   `cmd:"" help:"Run the gateway in front of a real GLPI and a real MQTT broker."`
	Schema  schemaCommand  `cmd:"" help:"Print the GraphQL schema (SDL)."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // who asks a second time does not want to wait for a good end
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process: it answers the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var exited bool // by --help
	parser := kong.Must(&commands{},
		kong.Name("fleetgate"),
		kong.Description("A GraphQL gateway with live data for GLPI and its Flyve MDM plugin.\n\n"+
			"Every flag is an environment variable too: --glpi-url is FLEETGATE_GLPI_URL. Flags win."),
		kong.DefaultEnvars("FLEETGATE"),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { exited = true }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(streams{stdout, stderr}),
	)
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if exited {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "fleetgate: %s (see fleetgate %s)\n", err, helpFor(args[0]))
		return exitUsage
	}
	err = parsed.Run()
	var wrong *usageError
	switch {
	case errors.As(err, &wrong):
		fmt.Fprintf(stderr, "fleetgate: %s (see fleetgate %s --help)\n", err, parsed.Command())
		return exitUsage
	case err != nil:
		fmt.Fprintf(stderr, "fleetgate: %s\n", err)
		return exitFailure
	}
	return 0
}

// helpFor is what to ask for help about a command line that can't be read.
func helpFor(command string) string {
	switch command {
	case "demo", "serve", "schema", "version":
		return command + " --help"
	}
	return "--help"
}

type streams struct{ out, err io.Writer }

// usageError is a setting that can't work.
type usageError struct{ error }

type serveCommand struct {
	settings.Gateway
}

// Run serves until the context ends.
func (c *serveCommand) Run(ctx context.Context, s streams) error {
	if err := c.Check(true); err != nil {
		return &usageError{err}
	}
	return serve(ctx, c.Gateway, s, nil)
}

type demoCommand struct {
	settings.Gateway
	settings.Demo
}

// Run puts a simulated world behind the gateway, or only that part of it that no URL replaces, and serves
// until the context ends.
func (c *demoCommand) Run(ctx context.Context, s streams) error {
	if err := c.Gateway.Check(false); err != nil {
		return &usageError{err}
	}
	if err := c.Demo.Check(c.Gateway); err != nil {
		return &usageError{err}
	}
	log := c.Logger(s.err)
	world, err := sim.Start(ctx, sim.Options{
		Devices: c.Devices, EventsPerSecond: c.EventsPerSecond, Seed: c.Seed,
		GLPIURL: c.GLPIURL, MQTTURL: c.MQTTURL, MQTTUsername: c.MQTTUsername, MQTTPassword: c.MQTTPassword,
		Logger: log.With("part", "simulation"),
	})
	if err != nil {
		return fmt.Errorf("starting the simulation: %w", err)
	}
	defer world.Close()
	if c.GLPIURL == "" {
		c.GLPIURL, c.GLPIServiceToken = world.GLPIURL, world.ServiceToken
	}
	if c.MQTTURL == "" {
		c.MQTTURL, c.MQTTUsername, c.MQTTPassword = world.MQTTURL, world.MQTTUsername, world.MQTTPassword
	}
	c.DeviceRate = max(c.DeviceRate, int(c.EventsPerSecond)) // the phones may be as lively as they were asked to be
	return serve(ctx, c.Gateway, s, func(ctx context.Context, g *gateway.Gateway) {
		fmt.Fprintf(s.out, "glpi %s\nmqtt %s\n", c.GLPIURL, c.MQTTURL)
		if err := g.WaitReady(ctx); err != nil {
			log.Warn("not everything is there yet; the gateway goes on trying", "error", err)
		}
		if err := world.Wake(); err != nil {
			log.Warn("not every phone could connect", "error", err)
		}
		if ctx.Err() == nil {
			fmt.Fprintln(s.out, "ready")
		}
	})
}

// serve runs the gateway on its address. started, if not nil, is called once it listens.
func serve(ctx context.Context, s settings.Gateway, to streams, started func(context.Context, *gateway.Gateway)) error {
	defer heap.Tune()()
	listener, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return &usageError{fmt.Errorf("--listen: %w", err)}
	}
	g, err := gateway.New(s, version, s.Logger(to.err))
	if err != nil {
		listener.Close()
		return &usageError{err}
	}
	fmt.Fprintf(to.out, "dashboard http://%[1]s/\ngraphql http://%[1]s/graphql\n", listener.Addr())
	ctx, stop := context.WithCancel(ctx)
	announced := make(chan struct{})
	go func() {
		defer close(announced)
		if started != nil {
			started(ctx, g)
		}
	}()
	err = g.Run(ctx, listener)
	stop()
	<-announced
	return err
}

type schemaCommand struct{}

// Run prints the schema.
func (schemaCommand) Run(s streams) error {
	_, err := io.WriteString(s.out, schema.SDL())
	return err
}

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(s streams) error {
	_, err := fmt.Fprintln(s.out, "fleetgate", strings.TrimPrefix(version, "v"))
	return err
}
