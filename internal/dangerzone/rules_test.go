package dangerzone_test

import (
	"errors"
	"testing"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/internal/dangerzone"
)

// night are the hours before noon.
type night struct{}

func (night) Contains(at time.Time) bool { return at.Hour() < 12 }
func (night) String() string             { return "00:00-12:00 UTC" }

func TestRulesOnlyForbid(t *testing.T) {
	night := night{}
	day, midnight := time.Date(2026, 1, 10, 12, 0, 0, 0, time.UTC), time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC)
	admin := glpiproxy.ProfileRef{ID: 4, Name: "Fleet admin"}
	for title, c := range map[string]struct {
		rules   dangerzone.Rules
		action  dangerzone.Action
		targets int
		at      time.Time
		want    dangerzone.Rule // "": allowed
	}{
		"no rules":                {dangerzone.Rules{}, dangerzone.Wipe, dangerzone.MostTargets, midnight, ""},
		"no rules, too many":      {dangerzone.Rules{}, dangerzone.Wipe, dangerzone.MostTargets + 1, day, dangerzone.RuleTargets},
		"a profile by name":       {dangerzone.Rules{Profiles: []string{"x", "Fleet admin"}}, dangerzone.Delete, 1, day, ""},
		"a profile by id":         {dangerzone.Rules{Profiles: []string{"4"}}, dangerzone.Unenroll, 1, day, ""},
		"another profile":         {dangerzone.Rules{Profiles: []string{"44", "Fleet"}}, dangerzone.Wipe, 1, day, dangerzone.RuleProfile},
		"as many as may be":       {dangerzone.Rules{MostTargets: 3}, dangerzone.Delete, 3, day, ""},
		"one more":                {dangerzone.Rules{MostTargets: 3}, dangerzone.Delete, 4, day, dangerzone.RuleTargets},
		"by day":                  {dangerzone.Rules{Quiet: night}, dangerzone.Wipe, 1, day, ""},
		"by night":                {dangerzone.Rules{Quiet: night}, dangerzone.Wipe, 1, midnight, dangerzone.RuleQuiet},
		"cancelling breaks none":  {dangerzone.Rules{Profiles: []string{"9"}, MostTargets: 1, Quiet: night}, dangerzone.CancelWipe, 9, midnight, ""},
		"the profile comes first": {dangerzone.Rules{Profiles: []string{"9"}, MostTargets: 1, Quiet: night}, dangerzone.Wipe, 9, midnight, dangerzone.RuleProfile},
	} {
		err := c.rules.Refuse(admin, c.action, c.targets, c.at)
		var refusal *dangerzone.Refusal
		if errors.As(err, &refusal); (err == nil) != (c.want == "") || refusal != nil && refusal.Rule != c.want {
			t.Errorf("%s: %v, want %q", title, err, c.want)
		}
	}
	strict := dangerzone.Rules{Reauthenticate: true}
	if !strict.Wants(dangerzone.Wipe) || strict.Wants(dangerzone.CancelWipe) || (dangerzone.Rules{}).Wants(dangerzone.Wipe) {
		t.Error("the password is wanted for the wrong actions")
	}
}
