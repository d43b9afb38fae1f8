package glpiproxy

import (
	"sync/atomic"
	"time"
)

// serverClock learns the time zone in which GLPI writes its dates.
type serverClock struct{ last atomic.Pointer[time.Location] }

// location compares the session's clock with the Date header, which is in UTC. A
// difference that is no offset of any zone (the clock of a session may stand
// still) tells nothing: then what was learnt last holds, at first UTC.
func (c *serverClock) location(local, date string) *time.Location {
	utc, err := time.Parse(time.RFC1123, date)
	if err == nil {
		if there, err := time.Parse(time.DateTime, local); err == nil {
			offset := there.Sub(utc).Round(15 * time.Minute)
			off := (there.Sub(utc) - offset).Abs()
			if off <= 2*time.Minute && offset >= -12*time.Hour && offset <= 14*time.Hour {
				zone := time.FixedZone("GLPI", int(offset.Seconds()))
				c.last.Store(zone)
				return zone
			}
		}
	}
	if last := c.last.Load(); last != nil {
		return last
	}
	return time.UTC
}
