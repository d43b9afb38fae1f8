package heap

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// TestMemoryIsGivenBackAtRest plays looks at a heap, and holds when memory is given back.
func TestMemoryIsGivenBackAtRest(t *testing.T) {
	const mib = 1 << 20
	for _, test := range []struct {
		name  string
		looks []usage // in MiB
		want  []bool
	}{
		{"a crowd came and is at rest", []usage{{300, 200, 60}, {302, 200, 60}, {304, 110, 90}}, []bool{false, true, false}},
		{"busy", []usage{{300, 200, 60}, {320, 210, 60}, {340, 220, 60}}, []bool{false, false, false}},
		{"little is held beyond what lives", []usage{{300, 70, 60}, {301, 70, 60}}, []bool{false, false}},
		{"scattered objects: no use in trying again", []usage{{300, 200, 60}, {301, 200, 60}, {302, 190, 90}, {330, 190, 90}, {331, 190, 90}},
			[]bool{false, true, false, false, false}},
		{"another crowd", []usage{{300, 200, 60}, {301, 200, 60}, {400, 190, 90}, {401, 190, 90}}, []bool{false, true, false, true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var now usage
			gave := false
			k := &keeper{read: func() usage { return now }, giveBack: func() { gave = true }}
			for i, u := range test.looks {
				now, gave = usage{u.allocated * mib, u.held * mib, u.live * mib}, false
				if k.look(); gave != test.want[i] {
					t.Errorf("look %d: given back: %t, want %t", i, gave, test.want[i])
				}
			}
		})
	}
}

// TestGivingBackHelps fills the heap with what is not used afterwards, and holds that the next calm look gets it back.
func TestGivingBackHelps(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(1000)) // nothing is collected meanwhile
	runtime.GC()
	before := readUsage()
	k := &keeper{read: readUsage, giveBack: debug.FreeOSMemory, before: before.allocated, returned: before.allocated}
	var held [][]byte
	for range 200 {
		held = append(held, make([]byte, 1<<20))
	}
	runtime.KeepAlive(held)
	k.look() // busy
	full := readUsage()
	k.look()
	if rest := readUsage(); full.held < before.held+190<<20 || rest.held > full.held-150<<20 {
		t.Errorf("the heap held %d MiB, then %d, and then at rest %d", before.held>>20, full.held>>20, rest.held>>20)
	}
}
