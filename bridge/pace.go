package bridge

import "time"

// burstSeconds is for how many seconds of its rate a device may speak at once: one that returns has much to tell.
const burstSeconds = 20

// paces bound how much each device says, so that one of them can't take the time of those who listen, nor, at a low rate,
// the place of all others in the log of events. Who owns one must keep others from using it at the same time.
type paces struct {
	interval, burst time.Duration
	// paid is until when a device has used up its rate; those for whom that is over are missing.
	paid map[DeviceKey]time.Time
}

// newPaces allows for so many messages a second; 0: for any number.
func newPaces(rate int) *paces {
	p := &paces{paid: map[DeviceKey]time.Time{}}
	if rate > 0 {
		p.interval, p.burst = time.Second/time.Duration(rate), burstSeconds*time.Second
	}
	return p
}

// allow says whether a device may say something at a time, and counts it if so.
func (p *paces) allow(key DeviceKey, at time.Time) bool {
	if p.interval == 0 {
		return true
	}
	from := p.paid[key]
	if from.Before(at) {
		from = at
	}
	if from.Sub(at)+p.interval > p.burst {
		return false
	}
	p.paid[key] = from.Add(p.interval)
	return true
}

// forget lets go of devices that may speak as if they never had.
func (p *paces) forget(now time.Time) {
	for key, until := range p.paid {
		if until.Before(now) {
			delete(p.paid, key)
		}
	}
}
