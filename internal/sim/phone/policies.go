package phone

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Policies are the symbols of the policies that are applied on the phone, sorted.
func (p *Phone) Policies() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.policies))
}

// ignoredByB are the policies that generation B has no working handler for: their tasks stay pending for ever.
var ignoredByB = []string{
	"disableNfc", "disableStreamDTMF", "disableUnknownAppSources", "periodicGeolocation", "disableStreamSystem",
	"useTLS", "resetPassword",
}

// obeyPolicy applies a policy and reports on its task. Generation B takes an empty payload, which clears a retained
// policy, for the policy's removal; nothing is reported then.
func (p *Phone) obeyPolicy(ctx context.Context, topic, payload string) {
	_, rest, isPolicy := strings.Cut(topic, "/Policy/")
	if !isPolicy {
		return
	}
	symbol, _, _ := strings.Cut(rest, "/")
	isB := p.account.Generation == B
	if payload == "" && isB {
		p.setPolicy(symbol, 0)
	}
	said, task := readPolicy(payload)
	if said[symbol] == nil || task == 0 || isB && slices.Contains(ignoredByB, symbol) {
		return
	}
	p.reportTask(ctx, task, "received")
	if isB && (symbol == "deployApp" || symbol == "removeApp") {
		p.reportTask(ctx, task, "waiting") // for the user, who agrees at once
	}
	p.setPolicy(symbol, task)
	p.reportTask(ctx, task, "done")
}

// dropTask removes the policy that a task has brought.
func (p *Phone) dropTask(payload string) {
	_, task := readPolicy(payload)
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.policies, func(_ string, brought int) bool { return brought == task })
}

func (p *Phone) setPolicy(symbol string, task int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if task == 0 {
		delete(p.policies, symbol)
	} else {
		p.policies[symbol] = task
	}
}

func (p *Phone) reportTask(ctx context.Context, task int, status string) {
	if p.account.Generation == A {
		p.say(ctx, "Status/Task/"+strconv.Itoa(task), `{"status":"`+status+`"}`)
	} else {
		p.tellTaskStatus(ctx, task, status)
	}
}

// readPolicy reads the payload of a policy. The task's number may be a text; 0 when there is none.
func readPolicy(payload string) (said map[string]json.RawMessage, task int) {
	if json.Unmarshal([]byte(payload), &said) != nil {
		return nil, 0
	}
	task, _ = strconv.Atoi(strings.Trim(string(said["taskId"]), `"`))
	return said, task
}
