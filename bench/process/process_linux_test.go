package process

import (
	"strings"
	"testing"
	"time"
)

// TestWhatAProcessCosts starts one that works, and one that waits, and holds that the difference shows.
func TestWhatAProcessCosts(t *testing.T) {
	start := func(script string) *Process {
		p, err := Start(t.Context(), "a script", "sh", "-c", script)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Stop)
		if where, err := p.Await(t.Context(), "listening"); err != nil || where != "here, at last" {
			t.Fatalf("it says %q: %v", where, err)
		}
		return p
	}
	busy := start("echo starting; echo listening here, at last; while :; do :; done")
	idle := start("echo listening here, at last; exec sleep 600")
	deadline := time.Now().Add(30 * time.Second)
	for {
		worked, err := busy.CPU()
		if err != nil {
			t.Fatal(err)
		}
		if worked >= 50*time.Millisecond {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a loop has taken %s", worked)
		}
		time.Sleep(10 * time.Millisecond)
	}
	worked, err := busy.CPU()
	busy.Stop()
	ended := busy.command.ProcessState
	if total := ended.UserTime() + ended.SystemTime(); err != nil || total < worked-20*time.Millisecond || total > worked+time.Second {
		t.Errorf("Linux says at the end that it took %s, and said %s just before: %v", total, worked, err)
	}
	if waited, err := idle.CPU(); err != nil || waited > 20*time.Millisecond {
		t.Errorf("one that sleeps has taken %s: %v", waited, err)
	}
	if memory, err := idle.Memory(); err != nil || memory < 100<<10 || memory > 100<<20 {
		t.Errorf("one that sleeps holds %d bytes: %v", memory, err)
	}
}

// TestTheLastWordsAreTold: who waits for a server that fails is told why.
func TestTheLastWordsAreTold(t *testing.T) {
	p, err := Start(t.Context(), "a script", "sh", "-c", "echo no room for me >&2; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	if _, err := p.Await(t.Context(), "listening"); err == nil || !strings.Contains(err.Error(), "no room for me") {
		t.Errorf("got the error %v", err)
	}
	p.Stop()
	if _, err := p.Memory(); err == nil {
		t.Error("it has ended, and still holds memory")
	}
}
