package model

import (
	"time"

	"fleetgate/glpiproxy"
)

// mebibyte is GLPI's unit for sizes, in bytes.
const mebibyte = 1 << 20

// Bytes are a size that GLPI gives in mebibytes.
func Bytes(mebibytes int) float64 { return float64(mebibytes) * mebibyte }

// known makes 0, which GLPI uses for "not known", GraphQL's null.
func known(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

// Processor is a processor of a computer.
type Processor struct{ glpiproxy.Processor }

// FrequencyMHz is the clock frequency.
func (p Processor) FrequencyMHz() *int { return known(p.Frequency) }

// Cores is how many cores it has.
func (p Processor) Cores() *int { return known(p.Processor.Cores) }

// Threads is how many threads run at once.
func (p Processor) Threads() *int { return known(p.Processor.Threads) }

// Battery is a battery of a computer.
type Battery struct{ glpiproxy.Battery }

// ManufacturedAt is when it was made.
func (b Battery) ManufacturedAt() *time.Time { return Moment(b.MadeAt) }

// BatteryModel is what is known of all batteries of a kind.
type BatteryModel struct{ glpiproxy.DeviceBattery }

// VoltageMillivolts is the voltage.
func (m BatteryModel) VoltageMillivolts() *int { return known(m.Voltage) }

// CapacityMilliampereHours is the capacity.
func (m BatteryModel) CapacityMilliampereHours() *int { return known(m.Capacity) }

// SimCard is a SIM card in a computer.
type SimCard struct{ glpiproxy.SimCard }

// ICCID is the card's number.
func (c SimCard) ICCID() *string { return text(c.SimCard.ICCID) }

// PhoneLine is a telephone line.
type PhoneLine struct{ glpiproxy.Line }

// Number is the telephone number.
func (l PhoneLine) Number() *string { return text(l.Line.Number) }

// Operator is the operator's name.
func (l PhoneLine) Operator() *string { return text(l.Line.Operator) }

// Disk is a volume of a computer.
type Disk struct{ glpiproxy.Disk }

// Name is the volume's name.
func (d Disk) Name() *string { return text(d.Disk.Name) }

// MountPoint is where it is mounted.
func (d Disk) MountPoint() *string { return text(d.Disk.MountPoint) }

// FileSystem is how it is formatted.
func (d Disk) FileSystem() *string { return text(d.Disk.FileSystem) }

// TotalBytes is the size.
func (d Disk) TotalBytes() float64 { return Bytes(d.Total) }

// FreeBytes is the room left.
func (d Disk) FreeBytes() float64 { return Bytes(d.Free) }

// NetworkPort is a way into a network.
type NetworkPort struct{ glpiproxy.NetworkPort }

// Name is the port's name.
func (p NetworkPort) Name() *string { return text(p.NetworkPort.Name) }

// Mac is the hardware address.
func (p NetworkPort) Mac() *string { return text(p.MAC) }

// SpeedMbps is the speed.
func (p NetworkPort) SpeedMbps() *int { return known(p.Speed) }

// Ips are the addresses.
func (p NetworkPort) Ips() []string {
	if p.Addresses == nil {
		return []string{}
	}
	return p.Addresses
}

// InstalledApplication is an application on a computer.
type InstalledApplication struct{ glpiproxy.Installation }
