package graph

import (
	"context"
	"slices"
	"sync"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// pluginCapabilities are what plugins of GLPI bring.
var pluginCapabilities = []struct {
	plugin     string
	capability model.Capability
}{
	{"flyvemdm", model.CapabilityFlyveMdm},
	{"fusioninventory", model.CapabilityFusionInventory},
}

// viewerCapabilities are what this GLPI and the gateway offer somebody who is signed in.
func (r *Resolver) viewerCapabilities(ctx context.Context, scope *glpiproxy.Scope) []model.Capability {
	offered := []model.Capability{}
	for _, c := range pluginCapabilities {
		if slices.Contains(scope.Plugins, c.plugin) {
			offered = append(offered, c.capability)
		}
	}
	return append(offered, r.gatewayCapabilities(ctx)...)
}

// gatewayCapabilities are what the gateway can do at the moment, for anybody.
func (r *Resolver) gatewayCapabilities(ctx context.Context) []model.Capability {
	offered := []model.Capability{}
	if r.Bridge.Status().Connected {
		offered = append(offered, model.CapabilityLiveEvents)
	}
	if r.passwordReset.ask(ctx, r.Now(), r.GLPI.OffersPasswordReset) {
		offered = append(offered, model.CapabilityPasswordReset)
	}
	if r.Signups != nil && r.selfRegistration.ask(ctx, r.Now(), r.Signups.offered) {
		offered = append(offered, model.CapabilitySelfRegistration)
	}
	return offered
}

// offerLasts is how long it is believed that GLPI offers something, or does not.
const offerLasts = time.Minute

// offer remembers whether GLPI offers something.
type offer struct {
	mu    sync.Mutex
	made  bool
	until time.Time
}

// ask answers from memory, or asks. What can't be told is not offered, and asked again the next time.
func (o *offer) ask(ctx context.Context, now time.Time, ask func(context.Context) (bool, error)) bool {
	if made, known := o.remembered(now); known {
		return made
	}
	made, err := ask(ctx)
	if err != nil {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.made, o.until = made, now.Add(offerLasts)
	return made
}

func (o *offer) remembered(now time.Time) (made, known bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.made, now.Before(o.until)
}
