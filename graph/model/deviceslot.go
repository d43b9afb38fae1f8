package model

// DeviceSlot is a device, or the invitation that is to become one: one of both is there.
type DeviceSlot struct {
	State      DeviceSlotState
	Reason     *EnrollFailureCode
	Message    *string
	Invitation *Invitation
	Agent      *Agent
}

// Number tells the slot from the others: even for devices, odd for invitations.
func (s *DeviceSlot) Number() int {
	if s.Agent != nil {
		return 2 * s.Agent.ID
	}
	return 2*s.Invitation.ID + 1
}

// ID is the slot's identity in its list.
func (s *DeviceSlot) ID() string { return GlobalID("DeviceSlot", s.Number()) }

// EntityID is GLPI's id of the entity.
func (s *DeviceSlot) EntityID() int {
	if s.Agent != nil {
		return s.Agent.EntityID
	}
	return s.Invitation.EntityID
}
