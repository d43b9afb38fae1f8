package graph

import "fleetgate/graph/model"

// gateway describes the gateway and whether what it stands between answers.
func (r *Resolver) gateway() *model.GatewayStatus {
	glpi, broker := r.GLPI.Health(), r.Bridge.Status()
	return &model.GatewayStatus{
		Version:       r.Version,
		Glpi:          &model.BackendHealth{Reachable: glpi.Reachable, Since: model.Moment(glpi.Since)},
		Broker:        &model.BackendHealth{Reachable: broker.Connected, Since: model.Moment(broker.Since)},
		MaxUploadSize: int(r.MaxUpload),
	}
}
