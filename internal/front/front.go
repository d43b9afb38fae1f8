// Package front is the gateway's HTTP side: routes, who may call from where, limits on what a query may
// cost, health, metrics and the pages. It knows neither GLPI nor MQTT, and of GraphQL only how it travels.
package front

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/prometheus/client_golang/prometheus"

	"fleetgate/internal/graphqlws"
	"fleetgate/internal/signin"
)

// Options configure a Front. Schema and SignIn are required.
type Options struct {
	Schema graphql.ExecutableSchema
	SignIn *signin.Desk

	// ErrorPresenter makes of any error what clients may see; nil: gqlgen's, which shows them as they are.
	ErrorPresenter graphql.ErrorPresenterFunc
	// AroundResponses wraps the making of every response, the events of subscriptions too; nil: nothing.
	AroundResponses graphql.ResponseMiddleware
	// DisableIntrospection hides the schema; GraphiQL is of little use then.
	DisableIntrospection bool

	// AllowedOrigins are the web origins, beside the gateway's own, whose pages may call it
	// ("https://fleet.example"); "*": any; empty: none.
	AllowedOrigins []string
	// Limits bound what one request may cost; zero values mean the defaults named there.
	Limits Limits
	// Sockets bound WebSockets. Init, CheckOrigin, Logger and Registerer are set by New.
	Sockets graphqlws.Options

	// Checks are what /readyz asks.
	Checks []Check
	// Dashboard is served at /; nil: a plain page that leads to GraphiQL.
	Dashboard fs.FS

	// Metrics gets the front's metrics and is served at /metrics; nil: neither.
	Metrics *prometheus.Registry
	Logger  *slog.Logger // nil: silent
	// DrainTimeout is how long Serve waits, once told to stop, for what is under way; 0: 10 s.
	DrainTimeout time.Duration
}

// Check is something that the gateway needs to be ready.
type Check struct {
	Name  string // its key in the answer of /readyz: "glpi", "broker"
	Probe func(ctx context.Context) error
}

// Limits bound what one request may cost. Every zero value means the default named.
type Limits struct {
	Body    int64 // bytes of a request's body; 0: 1 MiB
	Tokens  int   // of a query's text; 0: 1,000
	Depth   int   // of nested fields; 0: 15
	Cost    int   // objects that a query may ask for; 0: 60,000
	Aliases int   // in an operation; 0: 30
}

// Front is the gateway's HTTP handler.
type Front struct{}

// New makes a Front.
func New(o Options) (*Front, error) { return nil, errors.New("not written yet") }

// ServeHTTP answers one request.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {}

// Serve answers requests on the listener until ctx is done; then it closes the WebSockets, lets requests
// under way end, and returns nil, or an error when DrainTimeout did not suffice.
func (f *Front) Serve(ctx context.Context, listener net.Listener) error { return nil }
