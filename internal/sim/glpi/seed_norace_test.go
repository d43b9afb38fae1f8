//go:build !race

package glpi

const raceEnabled = false
