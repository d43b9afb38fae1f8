package model

// FleetCount is how many devices a fleet has.
type FleetCount struct {
	FleetID int // 0: devices without a fleet
	Count   int
}
