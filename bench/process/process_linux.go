// Package process starts servers as processes of their own and reads from Linux what they cost: CPU time and resident
// memory. A server's cost is then its own, however busy the one who measures is.
package process

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// Process is a server that runs.
type Process struct {
	name    string
	command *exec.Cmd
	lines   chan string // what it printed, until it ends
	errors  *os.File    // what it said of its troubles
	reading sync.WaitGroup
}

// patience is how long a server may take to say what it is waited for; 100,000 devices take their time.
const patience = 3 * time.Minute

// Start runs a program, whose name is for errors. Stop must be called.
func Start(ctx context.Context, name, path string, arguments ...string) (*Process, error) {
	p := &Process{name: name, command: exec.CommandContext(ctx, path, arguments...), lines: make(chan string, 100)}
	p.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // nothing is left when we are killed
	printed, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if p.errors, err = os.CreateTemp("", "fleetgate-bench-*"); err != nil {
		return nil, err
	}
	_ = os.Remove(p.errors.Name()) // it is read through what is open
	p.command.Stderr = p.errors
	if err := p.command.Start(); err != nil {
		p.errors.Close()
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p.reading.Go(func() { p.read(printed) })
	return p, nil
}

// read hands lines on; those that nobody waits for are dropped, so that the server never has to wait.
func (p *Process) read(printed io.Reader) {
	defer close(p.lines)
	for lines := bufio.NewScanner(printed); lines.Scan(); {
		select {
		case p.lines <- lines.Text():
		default:
		}
	}
}

// Await waits for a line that begins with a word, and returns what follows the word.
func (p *Process) Await(ctx context.Context, word string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		select {
		case line, open := <-p.lines:
			if !open {
				return "", fmt.Errorf("%s ended before it said %q; its last words: %s", p.name, word, p.lastWords())
			}
			if first, rest, _ := strings.Cut(line, " "); first == word {
				return rest, nil
			}
		case <-ctx.Done():
			return "", fmt.Errorf("waiting for %s to say %q: %w", p.name, word, ctx.Err())
		}
	}
}

func (p *Process) lastWords() []byte {
	words := make([]byte, 4096)
	info, err := p.errors.Stat()
	if err != nil {
		return nil
	}
	n, _ := p.errors.ReadAt(words, max(0, info.Size()-int64(len(words)))) // as much as there is
	return words[:n]
}

// CPU is the time that the process has spent on processors, its own and the kernel's for it. Its clock is exact, other
// than the hundredths of seconds in /proc.
func (p *Process) CPU() (time.Duration, error) {
	const scheduled = 2 // which of a process's clocks; see MAKE_PROCESS_CPUCLOCK in Linux
	clock := uintptr(^p.command.Process.Pid<<3 | scheduled)
	var spent syscall.Timespec
	if _, _, failed := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&spent)), 0); failed != 0 {
		return 0, fmt.Errorf("reading the CPU time of %s: %w", p.name, failed)
	}
	return time.Duration(spent.Nano()), nil
}

// Spends is the CPU time that the process takes while something is done.
func (p *Process) Spends(do func() error) (time.Duration, error) {
	before, err := p.CPU()
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := p.CPU()
	return after - before, err
}

// Memory is the resident memory, in bytes.
func (p *Process) Memory() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("reading the memory of %s: %w", p.name, err)
	}
	for line := range strings.Lines(string(text)) {
		if size, found := strings.CutPrefix(line, "VmRSS:"); found {
			kilobytes, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(size), "kB")), 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("reading the memory of %s: it has ended", p.name)
}

// Stop ends the process at once and waits for it.
func (p *Process) Stop() {
	_ = p.command.Process.Kill() // an error says that it has ended already
	p.reading.Wait()
	_ = p.command.Wait()
	p.errors.Close()
}
