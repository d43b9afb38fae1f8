package graph

import "fleetgate/internal/fanout"

// Census counts the subscriptions to device events.
func Census(r *Resolver) fanout.Census { return r.events.Census() }

// OpenStreams is how many subscriptions to device events have a place.
func OpenStreams(r *Resolver) (open int) {
	r.eventStreams.mu.Lock()
	defer r.eventStreams.mu.Unlock()
	for _, taken := range r.eventStreams.taken {
		open += taken
	}
	return open
}
