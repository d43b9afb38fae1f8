package model

import (
	"testing"

	"fleetgate/glpiproxy"
)

func TestWhetherAnAgentObeysAPolicy(t *testing.T) {
	for _, c := range []struct {
		symbol, platform, version string
		want                      PolicyEffectiveness
	}{
		{"disableCamera", "android", "2.0.0-rc.6", PolicyEffectivenessUnknown},
		{"disableCamera", "android", "2.0.0-rc.7", PolicyEffectivenessEffective},
		{"disableCamera", "android", "2.0.0-rc.10", PolicyEffectivenessEffective},
		{"disableCamera", "android", "2.0.0", PolicyEffectivenessEffective},
		{"disableCamera", "android", "2.1", PolicyEffectivenessEffective},
		{"disableCamera", "android", "1.9.9", PolicyEffectivenessUnknown},
		{"disableCamera", "android", "2.0.0-beta", PolicyEffectivenessUnknown},
		{"disableCamera", "android", "", PolicyEffectivenessUnknown},
		{"disableCamera", "android", "new", PolicyEffectivenessUnknown},
		{"disableNfc", "android", "2.1.2", PolicyEffectivenessNoEffect},
		{"disableNfc", "android", "1.0", PolicyEffectivenessUnknown},
		{"deployApp", "android", "1.0", PolicyEffectivenessEffective},
		{"deployFile", "apple", "1.2.0", PolicyEffectivenessNoEffect},
		{"disableCamera", "apple", "", PolicyEffectivenessNoEffect},
		{"disableCamera", "windows", "2.1", PolicyEffectivenessUnknown},
	} {
		policy := Policy{glpiproxy.Policy{Symbol: c.symbol}}
		if got := policy.EffectOn(glpiproxy.Agent{MDMType: c.platform, Version: c.version}); got != c.want {
			t.Errorf("%s on %s %s: %s, want %s", c.symbol, c.platform, c.version, got, c.want)
		}
	}
}
