package glpiproxy

import (
	"context"
	"time"
)

// Health is what the last real calls tell of GLPI.
type Health struct {
	Reachable bool
	Since     time.Time // when Reachable last changed
	CheckedAt time.Time // the last call that told; zero: none yet
	LastError string    // why it is not reachable; "" when it is
}

// Health reports without making a call. Before the first call GLPI is not
// reachable.
func (c *Client) Health() Health { return Health{} }

// Check makes one cheap call without credentials and without opening a session.
// nil: GLPI answers and its API is on. Otherwise the kind is Misconfigured (API
// off, address or app token refused), Unavailable or Timeout.
func (c *Client) Check(ctx context.Context) error { return errNotYet }
