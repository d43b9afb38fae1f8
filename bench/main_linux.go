// Command bench repeats all measurements of how fast Fleetgate is, beside servers that do the same, in one run on one
// machine, and writes them down:
//
//	go run ./bench
//
// Each server is a process of its own, and is measured alone; what it costs is read from Linux. It needs Linux, mosquitto
// where Debian has it, node and npm, and an open file for each subscriber (ulimit -n).
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	quick := flag.Bool("quick", false, "a small run of less than a minute, which says that all works and nothing about speed")
	only := flag.String("only", "", "only these measurements, separated by commas: "+strings.Join(names(), ", "))
	out := flag.String("out", "", "file to write the report into, such as docs/benchmarks.md; printed unless set")
	gateway := flag.String("gateway", "", "a built gateway to measure; the one of this source is built unless set")
	isServer := flag.Bool("serve", false, "play one of the servers that the arguments name; the command starts itself so")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if *isServer {
		err = serve(ctx, flag.Args())
	} else {
		err = run(ctx, *quick, *only, *out, *gateway)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// sizes are how much is measured.
type sizes struct {
	subscribers int   // of the comparison
	strangers   int   // beside them, of another company
	viewers     int   // whom the subscribers belong to
	events      int   // of a round
	burst       int   // events at once
	rounds      int   // of which the median counts
	crowds      []int // subscribers
	peerCrowd   int   // subscribers of a peer at most
	fleets      []int // devices
	documents   []int // different ones, among the subscribers
	readers     int   // connections
	reading     time.Duration
	pause       time.Duration // for a server to come to rest, before memory is read
	devices     int           // where their number does not matter
	earlier     bool          // measure an earlier Fleetgate too, which has to be built
}

var (
	fullSizes = sizes{
		subscribers: 5000, strangers: 500, viewers: 1000, events: 20, burst: 20, rounds: 3,
		crowds: []int{1000, 5000, 10_000, 20_000}, peerCrowd: 10_000, fleets: []int{100, 1000, 10_000, 100_000}, documents: []int{1, 10, 100, 1000},
		readers: 16, reading: 3 * time.Second, pause: 3 * time.Second, devices: 400, earlier: true,
	}
	quickSizes = sizes{
		subscribers: 40, strangers: 5, viewers: 10, events: 5, burst: 5, rounds: 1,
		crowds: []int{10, 40}, peerCrowd: 10, fleets: []int{100}, documents: []int{10},
		readers: 2, reading: 100 * time.Millisecond, pause: 100 * time.Millisecond, devices: 100,
	}
)

// measurement is one that can be asked for by its name.
type measurement struct {
	name string
	run  func(context.Context, *bench) (section, error)
}

var measurements = []measurement{
	{"fanout", fanout},
	{"growth", growth},
	{"documents", documents},
	{"devices", devices},
	{"reads", reads},
}

func names() (all []string) {
	for _, m := range measurements {
		all = append(all, m.name)
	}
	return all
}

func run(ctx context.Context, quick bool, only, out, gateway string) error {
	b := &bench{sizes: fullSizes, gateway: gateway, only: only, log: func(format string, arguments ...any) {
		fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", arguments...)
	}}
	if quick {
		b.sizes = quickSizes
	}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	defer os.RemoveAll(b.folder)
	sections := map[string]section{}
	for _, m := range measurements {
		if only != "" && !strings.Contains(","+only+",", ","+m.name+",") {
			continue
		}
		b.log("measuring: %s", m.name)
		s, err := m.run(ctx, b)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		if quick {
			s.goals = nil // they are for speed
		}
		sections[m.name] = s
	}
	return b.write(ctx, sections, out)
}

// prepare finds and makes what all measurements need.
func (b *bench) prepare(ctx context.Context) (err error) {
	if b.own, err = os.Executable(); err != nil {
		return err
	}
	if b.root, err = moduleRoot(); err != nil {
		return err
	}
	if err := b.raiseFileLimit(); err != nil {
		return err
	}
	if b.folder, err = os.MkdirTemp("", "fleetgate-bench"); err != nil {
		return err
	}
	if err := b.installNode(ctx); err != nil {
		return err
	}
	if b.gateway == "" {
		b.gateway, err = b.buildGateway(ctx, b.root, "fleetgate")
	}
	return err
}

// moduleRoot is the nearest folder, from the present one upwards, with a go.mod.
func moduleRoot() (string, error) {
	for folder, err := os.Getwd(); ; folder = filepath.Dir(folder) {
		if err != nil {
			return "", err
		}
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		if folder == filepath.Dir(folder) {
			return "", fmt.Errorf("run this inside Fleetgate's source")
		}
	}
}

// spareFiles are open files of a server that are not subscribers.
const spareFiles = 150

// raiseFileLimit has us, and the servers, open as many files as the machine lets us, and bounds crowds by that.
func (b *bench) raiseFileLimit() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	b.mostSubscribers = int(min(limit.Max, 1<<20)) - spareFiles
	return nil
}
