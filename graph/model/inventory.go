package model

import (
	"time"

	"fleetgate/glpiproxy"
)

// Entity is a company, or a part of one.
type Entity struct{ glpiproxy.Entity }

// IsNode marks Entity as a Relay node.
func (Entity) IsNode() {}

// GlobalID is the entity's opaque identity.
func (e Entity) GlobalID() string { return GlobalID("Entity", e.ID) }

// Computer is a device in GLPI's inventory.
type Computer struct{ glpiproxy.Computer }

// IsNode marks Computer as a Relay node.
func (Computer) IsNode() {}

// GlobalID is the computer's opaque identity.
func (c Computer) GlobalID() string { return GlobalID("Computer", c.ID) }

// Serial is the serial number.
func (c Computer) Serial() *string { return text(c.Computer.Serial) }

// UUID is the hardware's UUID.
func (c Computer) UUID() *string { return text(c.Computer.UUID) }

// Comment is what somebody remarked.
func (c Computer) Comment() *string { return text(c.Computer.Comment) }

// ModifiedAt is when the record last changed.
func (c Computer) ModifiedAt() *time.Time { return Moment(c.Computer.ModifiedAt) }

// CreatedAt is when the record was made.
func (c Computer) CreatedAt() *time.Time { return Moment(c.Computer.CreatedAt) }

// OperatingSystem is what runs on a computer.
type OperatingSystem struct{ glpiproxy.System }

// Name is the system's name.
func (s OperatingSystem) Name() *string { return text(s.System.Name) }

// Version is the system's version.
func (s OperatingSystem) Version() *string { return text(s.System.Version) }

// ServicePack is the service pack or patch level.
func (s OperatingSystem) ServicePack() *string { return text(s.System.ServicePack) }

// Kernel is the kernel's name.
func (s OperatingSystem) Kernel() *string { return text(s.System.Kernel) }

// KernelVersion is the kernel's version.
func (s OperatingSystem) KernelVersion() *string { return text(s.System.KernelVersion) }

// Architecture is the processor architecture.
func (s OperatingSystem) Architecture() *string { return text(s.System.Architecture) }
