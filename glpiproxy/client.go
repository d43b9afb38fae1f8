package glpiproxy

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options configure a Client. Only URL is required.
type Options struct {
	// URL is GLPI's API (".../apirest.php" or ".../api") or GLPI's root, to
	// which /apirest.php is appended.
	URL string
	// AppToken is sent as App-Token with every call; "": none.
	AppToken string
	// Version goes into the User-Agent as fleetgate/VERSION; "": "dev".
	Version string
	// Timeout bounds one call, and apart from it the wait for a free slot;
	// 0: 15 s.
	Timeout time.Duration
	// Concurrency is how many calls may be under way at once, so that a busy
	// dashboard can't take all of GLPI's PHP workers; 0: 8.
	Concurrency int
	// CacheTTL is how long company data is answered from memory; 0: 10 s, below
	// 0: no caching at all. Policies and other catalogues are kept 30 times as
	// long.
	CacheTTL time.Duration
	// CacheEntries bounds the cache; 0: 20,000.
	CacheEntries int
	// MaxResponse bounds one answer, in bytes; 0: 64 MiB.
	MaxResponse int64
	// Location is the time zone of GLPI's server. nil: the offset is learnt from
	// each session's clock, rounded to 15 minutes; then dates on the other side
	// of a daylight saving change are an hour off.
	Location *time.Location
	// HTTPClient makes the calls; nil: one of its own, without redirects.
	HTTPClient *http.Client
	// Logger; nil: silent.
	Logger *slog.Logger
	// Registerer gets the metrics; nil: none are kept.
	Registerer prometheus.Registerer
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Client speaks to one GLPI. It is safe for concurrent use.
type Client struct{}

// New checks the options and makes a Client; it makes no call. The error names
// the wrong setting, without the secrets that may be in it.
func New(o Options) (*Client, error) { return nil, errNotYet }

// Close ends the calls under way and frees what the client holds.
func (c *Client) Close() error { return nil }

// Invalidate forgets what the cache holds under the tags: an item type
// ("PluginFlyvemdmAgent": its lists, counts and items) or one item
// ("PluginFlyvemdmAgent:17": that item and the type's lists and counts).
func (c *Client) Invalidate(tags ...string) {}
