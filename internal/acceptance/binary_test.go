// Package acceptance drives the built binary from outside, the way an operator and a browser do: it knows
// command lines, printed lines, HTTP and WebSockets, and nothing of the code.
package acceptance

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the program under test, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "fleetgate-acceptance")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "fleetgate")
		build := exec.Command("go", "build", "-o", binary, "fleetgate")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// process is a running fleetgate.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	log *safeBuffer
	// urls are the printed lines "name URL", by name.
	urls map[string]string
	done chan struct{}
}

// start runs fleetgate and waits until it has printed the last of the lines that it prints when it works.
func start(t *testing.T, last string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(binary, args...), log: &safeBuffer{}, urls: map[string]string{}, done: make(chan struct{})}
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	printed := make(chan string, 100) // nobody reads on once a test has failed
	go func() {
		defer close(p.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			printed <- lines.Text()
		}
		close(printed)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("its log:\n%s", p.log)
		}
	})
	timeout := time.After(60 * time.Second)
	for {
		select {
		case line, open := <-printed:
			if !open {
				t.Fatalf("it ended before it printed %q; its log:\n%s", last, p.log)
			}
			name, url, _ := strings.Cut(line, " ")
			p.urls[name] = url
			if name == last {
				go func() {
					for range printed {
					}
				}()
				return p
			}
		case <-timeout:
			t.Fatalf("no %q after 60 s; its log:\n%s", last, p.log)
		}
	}
}

// stop sends SIGTERM and waits for the end.
func (p *process) stop() error {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		if code := p.cmd.ProcessState.ExitCode(); code != 0 {
			return fmt.Errorf("exit code %d", code)
		}
		return nil
	case <-time.After(20 * time.Second):
		return fmt.Errorf("still running 20 s after SIGTERM")
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// once runs fleetgate to its end and answers what it printed and its exit code.
func once(t *testing.T, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run()
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// eventually waits until a condition holds.
func eventually(t *testing.T, within time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("not within %s: %s", within, what)
}

// safeBuffer is a buffer that a process may write while a test reads.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

var _ io.Writer = (*safeBuffer)(nil)

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
