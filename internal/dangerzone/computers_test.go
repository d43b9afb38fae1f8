package dangerzone_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"fleetgate/internal/dangerzone"
)

// GLPI is deleting the computer of an agent that is gone, and gives no answer, or the gateway dies. What became of the
// computer is looked at, and it is not asked for again.
func TestWhatBecameOfAComputerIsLookedAt(t *testing.T) {
	for title, c := range map[string]struct {
		done, dies bool // GLPI deletes it; the gateway dies
		want       dangerzone.State
		words      string
	}{
		"deleted, and the gateway dies":     {true, true, dangerzone.Completed, "so is its computer"},
		"not deleted, and the gateway dies": {false, true, dangerzone.Failed, "its computer is still there"},
		"deleted, without an answer":        {true, false, dangerzone.Completed, "so is its computer"},
		"not deleted, and without one":      {false, false, dangerzone.Failed, "its computer is still there"},
	} {
		t.Run(title, func(t *testing.T) {
			r := newRig(t, 20)
			d, s := r.start(nil), r.signIn()
			held, release := make(chan struct{}), make(chan struct{})
			holds, lets := sync.OnceFunc(func() { close(held) }), sync.OnceFunc(func() { close(release) })
			t.Cleanup(lets)
			r.inTrouble(func(rw http.ResponseWriter, q *http.Request, serve http.Handler) {
				select {
				case <-held: // no answer to any question until the test lets it
					if !c.dies {
						<-release
						panic(http.ErrAbortHandler)
					}
				default:
				}
				if q.Method != http.MethodDelete || !strings.Contains(q.URL.Path, "/Computer") {
					serve.ServeHTTP(rw, q)
					return
				}
				if c.done {
					serve.ServeHTTP(httptest.NewRecorder(), q)
				}
				holds()
				<-release
				panic(http.ErrAbortHandler)
			})
			plan := r.planned(d, s, dangerzone.Request{Action: dangerzone.Delete, AgentIDs: []int{r.devs[0].AgentID}, DeleteComputers: true})
			op, err := d.Execute(t.Context(), s, plan, "")
			if err != nil {
				t.Fatal(err)
			}
			<-held
			at := d
			if c.dies {
				at = r.start(func(o *dangerzone.Options) { o.Store = withoutRunners{r.store} })
			} else {
				r.inTrouble(nil)
				lets()
			}
			r.comesTrue("it is known", func() bool {
				r.pass(10 * time.Second)
				return r.states(at, op.ID)[dangerzone.Requested] == 0
			})
			if op := r.reaches(at, op.ID, c.want, 1); !strings.Contains(op.Targets[0].Message, c.words) {
				t.Errorf("got %q", op.Targets[0].Message)
			}
			asked := 0
			for _, call := range r.written() {
				if strings.Contains(call, "/Computer") {
					asked++
				}
			}
			if asked != 1 {
				t.Errorf("GLPI was asked %d times: %q", asked, r.written())
			}
		})
	}
}
