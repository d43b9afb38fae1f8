package glpiproxy

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strings"
	"sync"
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
	// Timeout bounds one call, and apart from it the wait for its turn; 0: 15 s.
	Timeout time.Duration
	// Concurrency is how many calls may be under way at once, so that the gateway
	// can't take all of GLPI's PHP workers; 0: 8.
	Concurrency int
	// SessionConcurrency is how many of them may be of one user, so that a busy
	// dashboard leaves room for others; 0: half of Concurrency.
	SessionConcurrency int
	// SlowTimeout is the Timeout of slow calls: those for which GLPI waits up to
	// 10 s for a device, and those that carry a file; 0: 30 s.
	SlowTimeout time.Duration
	// SlowConcurrency is how many slow calls may be under way at once, apart from
	// the others, half of them for one user; 0: 4.
	SlowConcurrency int
	// CircuitPause is how long GLPI is left alone after it has failed several times
	// in a row, before one call tries it again; 0: 2 s.
	CircuitPause time.Duration
	// CacheTTL is how long company data is answered from memory; 0: 10 s, below
	// 0: no caching at all. Policies and other catalogues are kept 30 times as
	// long.
	CacheTTL time.Duration
	// StaleFor is how much longer answers are kept for the time that GLPI is away,
	// when they are better than none; 0: 10 min, below 0: not at all.
	StaleFor time.Duration
	// CacheEntries bounds the cache, in answers and single items; 0: 20,000.
	CacheEntries int
	// CacheBytes bounds the cache, by the size of what GLPI sent; 0: 64 MiB.
	CacheBytes int
	// MaxResponse bounds one answer, in bytes; 0: 64 MiB.
	MaxResponse int64
	// Location is the time zone of GLPI's server. nil: the offset is learnt from
	// each session's clock, rounded to 15 minutes; then dates on the other side
	// of a daylight saving change are an hour off.
	Location *time.Location
	// HTTPClient makes the calls, without following redirects; nil: one of the
	// Client's own.
	HTTPClient *http.Client
	// Logger; nil: silent.
	Logger *slog.Logger
	// OnInvalidate is told, after the cache has forgotten what tags name and before the
	// write or whatever else did it returns, so that it can be forgotten elsewhere too. It
	// must not call the Client; nil: nobody is told.
	OnInvalidate func(tags ...string)
	// Registerer gets the metrics; nil: none are kept.
	Registerer prometheus.Registerer
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Client speaks to one GLPI. It is safe for concurrent use.
type Client struct {
	root        string // the API's URL without a trailing slash
	appToken    string
	userAgent   string
	timeout     time.Duration
	slowTimeout time.Duration
	ttl         time.Duration
	maxResponse int64
	location    *time.Location // nil: learnt from each session
	http        *http.Client
	ownHTTP     bool
	log         *slog.Logger
	now         func() time.Time

	calls     *queue
	slowCalls *queue
	breaker   *breaker
	retries   retryBudget
	scopes    *cache // who a session is
	rows      *cache // items, lists, searches
	flights   flights
	batches   batches

	accountsMu sync.Mutex
	accounts   map[string]*Account

	clock   serverClock
	health  healthRecord
	uploads sync.Map // names of the files under way
	metrics *metrics

	onInvalidate func(tags ...string)

	base  context.Context // ends with Close
	close context.CancelFunc
}

const (
	defaultTimeout         = 15 * time.Second
	defaultConcurrency     = 8
	defaultSlowTimeout     = 30 * time.Second
	defaultSlowConcurrency = 4
	defaultTTL             = 10 * time.Second
	defaultEntries         = 20_000
	defaultStaleFor        = 10 * time.Minute
	defaultCacheBytes      = 64 << 20
	defaultMaxResponse     = 64 << 20

	// catalogueFactor is how much longer catalogues are kept than company data.
	catalogueFactor = 30
)

// New checks the options and makes a Client; it makes no call. The error names
// the wrong setting, without the secrets that may be in it.
func New(o Options) (*Client, error) {
	root, err := apiRoot(o.URL)
	if err != nil {
		return nil, err
	}
	switch {
	case o.Timeout < 0 || o.SlowTimeout < 0 || o.CircuitPause < 0:
		return nil, errors.New("glpi timeout: must not be negative")
	case o.Concurrency < 0 || o.SessionConcurrency < 0 || o.SlowConcurrency < 0:
		return nil, errors.New("glpi concurrency: must not be negative")
	case o.CacheEntries < 0 || o.CacheBytes < 0 || o.MaxResponse < 0:
		return nil, errors.New("glpi cache entries, cache bytes and response size: must not be negative")
	case !printable(o.AppToken):
		return nil, errors.New("glpi app token: has characters that no token has")
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, err
	}
	c := &Client{
		root:        root,
		appToken:    o.AppToken,
		userAgent:   "fleetgate/" + cmp.Or(o.Version, "dev"),
		timeout:     cmp.Or(o.Timeout, defaultTimeout),
		slowTimeout: cmp.Or(o.SlowTimeout, defaultSlowTimeout),
		ttl:         cmp.Or(o.CacheTTL, defaultTTL),
		maxResponse: cmp.Or(o.MaxResponse, defaultMaxResponse),
		location:    o.Location,
		ownHTTP:     o.HTTPClient == nil,
		log:         o.Logger,
		now:         o.Now,
		metrics:     m,

		onInvalidate: o.OnInvalidate,
	}
	c.openQueues(o)
	c.breaker = newBreaker(cmp.Or(o.CircuitPause, defaultPause), c.circuitChanged)
	c.http = newHTTPClient(o.HTTPClient, c.calls.limit+c.slowCalls.limit)
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.now == nil {
		c.now = time.Now
	}
	c.base, c.close = context.WithCancel(context.Background())
	c.batches.open = map[string]*batch{}
	c.accounts = map[string]*Account{}
	c.flights = flights{active: map[string]*flight{}, base: c.base}
	c.openCaches(o)
	c.health.since = c.now()
	return c, nil
}

// openQueues makes the queues of the two pools.
func (c *Client) openQueues(o Options) {
	limit := cmp.Or(o.Concurrency, defaultConcurrency)
	each := cmp.Or(o.SessionConcurrency, max(1, limit/2))
	c.calls = newQueue("calls", limit, each, c.metrics.queueLength("calls"))
	limit = cmp.Or(o.SlowConcurrency, defaultSlowConcurrency)
	c.slowCalls = newQueue("slow", limit, max(1, limit/2), c.metrics.queueLength("slow"))
}

// openCaches makes the caches of rows and of scopes. A reading may last as long as
// several calls one after another.
func (c *Client) openCaches(o Options) {
	b := cacheBounds{
		entries: cmp.Or(o.CacheEntries, defaultEntries), bytes: cmp.Or(o.CacheBytes, defaultCacheBytes),
		staleFor: max(cmp.Or(o.StaleFor, defaultStaleFor), 0),
		longest:  10*max(c.timeout, c.slowTimeout) + catalogueFactor*max(c.ttl, 0) + scopeTTL,
	}
	c.rows = newCache(b, c.now)
	b.entries, b.bytes = maxScopes, math.MaxInt
	c.scopes = newCache(b, c.now)
}

// Close ends the calls under way, waits for those that are shared and frees the
// connections. It makes no call: close accounts before.
func (c *Client) Close() error {
	c.close()
	c.flights.end()
	if c.ownHTTP {
		c.http.CloseIdleConnections()
	}
	return nil
}

// newHTTPClient follows no redirect, since it would carry the Session-Token
// elsewhere. Without a given client it keeps a connection for each call.
func newHTTPClient(given *http.Client, connections int) *http.Client {
	var own http.Client
	if given != nil {
		own = *given
	} else {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = connections
		own.Transport = transport
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// apiRoot checks the URL and completes GLPI's root to that of its API. Its
// errors never repeat the URL: a password may be in it.
func apiRoot(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return "", errors.New("glpi url: missing")
	case err != nil:
		return "", errors.New("glpi url: not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New("glpi url: must begin with http:// or https://")
	case u.Hostname() == "":
		return "", errors.New("glpi url: has no host")
	case u.User != nil:
		return "", errors.New("glpi url: must not hold a user name or password")
	case u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("glpi url: must end with its path")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	if !strings.HasSuffix(u.Path, "/apirest.php") && !strings.HasSuffix(u.Path, "/api") {
		u.Path += "/apirest.php"
	}
	return u.String(), nil
}

// printable tells whether a token can stand in a header.
func printable(token string) bool {
	return len(token) <= 1024 && !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
}
