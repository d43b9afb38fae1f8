package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// machine tells on what, and between which versions, the run was.
func (b *bench) machine(ctx context.Context) (string, error) {
	t := table{head: []string{"", ""}}
	t.add("Time", time.Now().UTC().Format("2006-01-02 15:04 MST")+", "+b.kind())
	t.add("Processor", fmt.Sprintf("%d cores of %s", runtime.NumCPU(), firstOf("/proc/cpuinfo", "model name")))
	t.add("Memory", firstOf("/proc/meminfo", "MemTotal"))
	t.add("Load when it ended", said(ctx, "cat", "/proc/loadavg"))
	t.add("Kernel", said(ctx, "uname", "-sr"))
	t.add("Open files a process", fmt.Sprint(b.mostSubscribers+spareFiles))
	t.add("Fleetgate", said(ctx, "git", "-C", b.root, "log", "-1", "--format=%h of %cs"))
	t.add("Go", runtime.Version())
	t.add("Mosquitto", strings.TrimPrefix(said(ctx, mosquitto, "-h"), "mosquitto version "))
	t.add("Node", said(ctx, "node", "--version"))
	for _, name := range []string{"github.com/99designs/gqlgen", "github.com/gorilla/websocket"} {
		t.add(name, moduleVersion(name))
	}
	packages, err := b.nodePackages()
	if err != nil {
		return "", err
	}
	for _, p := range packages {
		t.add(p[0], p[1])
	}
	return t.String() + "\n", nil
}

// kind says which of the runs it was.
func (b *bench) kind() string {
	if b.subscribers == quickSizes.subscribers {
		return "a quick run, which says nothing about speed"
	}
	if b.only != "" {
		return "of " + b.only + " alone; the other parts are of an earlier run"
	}
	return "a full run"
}

// firstOf is the value of the first line of a file that begins with a name.
func firstOf(path, name string) string {
	file, err := os.Open(path)
	if err != nil {
		return "unknown"
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if key, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// said is the first line that a program prints.
func said(ctx context.Context, program string, arguments ...string) string {
	output, _ := exec.CommandContext(ctx, program, arguments...).Output() // mosquitto -h fails, having said it
	line, _, _ := strings.Cut(string(output), "\n")
	if line == "" {
		return "unknown"
	}
	return line
}

// moduleVersion is that of a Go module that this program is built with.
func moduleVersion(path string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == path {
				return module.Version
			}
		}
	}
	return "unknown"
}

// nodePackages are those that the server under Node is made of, each with its version.
func (b *bench) nodePackages() (all [][2]string, err error) {
	text, err := os.ReadFile(filepath.Join(b.root, "bench/peers/node/package.json"))
	if err != nil {
		return nil, err
	}
	var file struct{ Dependencies map[string]string }
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(file.Dependencies)) {
		all = append(all, [2]string{name, file.Dependencies[name]})
	}
	return all, nil
}
