// Package front is the gateway's HTTP side: routes, who may call from where, limits on what a query may
// cost, health, metrics and the pages. It knows neither GLPI nor MQTT, and of GraphQL only how it travels.
package front

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"fleetgate/internal/delivery"
	"fleetgate/internal/graphqlsse"
	"fleetgate/internal/graphqlws"
	"fleetgate/internal/invitation"
	"fleetgate/internal/responsecache"
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
	// Responses keeps responses for those who ask the same and may see the same; nil: none are kept. Keepable tells of which
	// operations they can be: of those whose answers rest on nothing but what the response's recording is told of.
	Responses *responsecache.Cache
	Keepable  func(*graphql.OperationContext) bool
	// DisableIntrospection hides the schema; GraphiQL is of little use then.
	DisableIntrospection bool

	// AllowedOrigins are the web origins, beside the gateway's own, whose pages may call it
	// ("https://fleet.example"); "*": any; empty: none.
	AllowedOrigins []string
	// TrustedProxies are the networks of the reverse proxies that tell, in X-Forwarded-For, where requests came from; none:
	// they come from who connects.
	TrustedProxies []netip.Prefix
	// Limits bound what one request may cost; zero values mean the defaults named there.
	Limits Limits
	// Connections bound those that stay open for subscriptions. Registerer is set by New.
	Connections delivery.Options
	// Sockets bound WebSockets. Detach, Init, CheckOrigin, Connections, Share, Logger and Registerer are set by New.
	Sockets graphqlws.Options
	// Share runs subscriptions together, over whichever transport they come; nil: each is run alone.
	Share delivery.Share

	// Checks are what /readyz asks.
	Checks []Check
	// Downloads serve files at their patterns ("/files/{id}/content"), to those who may call and bring their own
	// sign-in.
	Downloads map[string]http.Handler
	// Invitations has the pages at /enroll/{code}; nil: there are none.
	Invitations *invitation.Desk
	// Dashboard is served at /; nil: a plain page that leads to GraphiQL.
	Dashboard fs.FS

	// Metrics gets the front's metrics and is served at /metrics; nil: neither.
	Metrics *prometheus.Registry
	Logger  *slog.Logger // nil: silent
	// DrainTimeout is how long Serve waits, once told to stop, for what is under way; 0: 10 s.
	DrainTimeout time.Duration
}

// Front is the gateway's HTTP handler.
type Front struct {
	handler      http.Handler
	connections  *delivery.Connections
	logger       *slog.Logger
	drainTimeout time.Duration
}

// New makes a Front. Errors name the wrong option.
func New(o Options) (*Front, error) {
	if o.Schema == nil || o.SignIn == nil {
		return nil, errors.New("the HTTP front needs a schema and a sign-in desk")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.ErrorPresenter == nil {
		o.ErrorPresenter = graphql.DefaultErrorPresenter
	}
	if o.DrainTimeout <= 0 {
		o.DrainTimeout = 10 * time.Second
	}
	o.Limits.setDefaults()
	callers, err := parseOrigins(o.AllowedOrigins)
	if err != nil {
		return nil, fmt.Errorf("allowed origins: %w", err)
	}
	var registerer prometheus.Registerer // nil, and not a nil *Registry in an interface
	if o.Metrics != nil {
		registerer = o.Metrics
	}
	o.Connections.Registerer = registerer
	connections, err := delivery.New(o.Connections)
	if err != nil {
		return nil, err
	}
	o.Sockets.Connections = connections
	o.Sockets.Share = o.Share
	o.Sockets.Detach = signin.Detach
	o.Sockets.Init = o.SignIn.AuthenticateSocket
	o.Sockets.CheckOrigin = callers.allow
	o.Sockets.Logger = o.Logger
	o.Sockets.Registerer = registerer
	sockets, err := graphqlws.New(o.Sockets)
	if err != nil {
		return nil, err
	}

	events, err := graphqlsse.New(graphqlsse.Options{
		Connections: connections, Share: o.Share, Detach: signin.Detach, Hold: o.SignIn.Hold, Ended: signInEnded,
		Logger: o.Logger, Registerer: registerer,
	})
	if err != nil {
		return nil, err
	}

	routes := http.NewServeMux()
	routes.Handle("/graphql", callers.cors(&endpoint{newExecutor(o, sockets, events), callers, o.SignIn}))
	for pattern, handler := range o.Downloads {
		routes.Handle(pattern, callers.cors(callers.only(slowly(handler))))
	}
	if o.Invitations != nil {
		routes.Handle(enrollPrefix+"{code}", onlyReads(&enrollment{o.Invitations, o.Logger}))
	}
	routes.Handle("GET /graphiql", graphiql())
	routes.Handle("GET /graphiql/", graphiql())
	routes.HandleFunc("GET /healthz", healthz)
	routes.Handle("GET /readyz", &readiness{checks: o.Checks})
	if o.Metrics != nil {
		routes.Handle("GET /metrics", promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{}))
	}
	routes.Handle("/", onlyReads(dashboard(o.Dashboard)))
	requests, err := newRequests(routes, o.TrustedProxies, o.Logger, registerer)
	if err != nil {
		return nil, err
	}
	return &Front{handler: requests, connections: connections, logger: o.Logger, drainTimeout: o.DrainTimeout}, nil
}

// ServeHTTP answers one request.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.handler.ServeHTTP(w, r) }

// The parsed documents that are kept. Those of dashboards are short; a long one would let anybody make the
// gateway keep what they please, since its text is held with it.
const (
	cachedQueries      = 1000
	longestCachedQuery = 8 << 10 // bytes
)

// shortQueries is a cache of parsed documents that keeps those of short queries only.
type shortQueries struct {
	graphql.Cache[*ast.QueryDocument]
}

// Add keeps a document, unless its query is long: it is parsed again next time.
func (c shortQueries) Add(ctx context.Context, query string, document *ast.QueryDocument) {
	if len(query) <= longestCachedQuery {
		c.Cache.Add(ctx, query, document)
	}
}

// newExecutor makes gqlgen's handler with our transports and limits.
func newExecutor(o Options, sockets *graphqlws.Transport, events *graphqlsse.Transport) http.Handler {
	server := handler.New(o.Schema)
	server.AddTransport(sockets)
	posted := overHTTP{maxBody: o.Limits.Body, events: events, responses: responses{o.Responses, o.Keepable}}
	server.AddTransport(overMultipart{overHTTP: posted, maxFile: o.Limits.Upload, preface: longestPreface, rest: longestRest})
	server.AddTransport(posted)
	server.SetParserTokenLimit(o.Limits.Tokens)
	valid := shortQueries{lru.New[*ast.QueryDocument](cachedQueries)}
	server.SetQueryCache(valid)
	server.Use(persistedQueries{lru.New[string](cachedQueries)})
	server.Use(documentLimits{o.Limits.Tokens, valid})
	server.Use(queryLimits{o.Limits})
	if !o.DisableIntrospection {
		server.Use(extension.Introspection{})
	}
	server.SetErrorPresenter(withTokenLimit(o.ErrorPresenter))
	if o.AroundResponses != nil {
		server.AroundResponses(o.AroundResponses)
	}
	server.SetRecoverFunc(func(ctx context.Context, p any) error {
		o.Logger.ErrorContext(ctx, "a resolver panicked", "panic", p, "stack", string(debug.Stack()))
		return errors.New("internal error")
	})
	return server
}

// signInEnded is what the client of a response that goes on is told when its sign-in ends.
func signInEnded(cause error) *gqlerror.Error {
	reason := "the sign-in has ended"
	var closed *graphqlws.CloseError
	if errors.As(cause, &closed) {
		reason = closed.Reason
	}
	return &gqlerror.Error{Message: reason, Extensions: map[string]any{"code": "UNAUTHENTICATED"}}
}

// endpoint is /graphql: it lets in who may call, and finds out who is asking.
type endpoint struct {
	executor http.Handler
	callers  origins
	signIn   *signin.Desk
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case websocket.IsWebSocketUpgrade(r): // the transport checks the origin and, later, the sign-in
		e.executor.ServeHTTP(w, r)
	case r.Method == http.MethodOptions:
		w.Header().Set("Allow", "GET, POST, OPTIONS")
		w.WriteHeader(http.StatusNoContent)
	case isNavigation(r):
		target := "/graphiql"
		if r.URL.RawQuery != "" {
			target += "?" + r.URL.RawQuery
		}
		http.Redirect(w, r, target, http.StatusSeeOther)
	case !e.callers.allow(r):
		foreignOrigin().write(w, r)
	case !deliberate(r):
		refuse(http.StatusBadRequest, "a browser could be tricked into sending this: "+
			"send Content-Type: application/json or an Apollo-Require-Preflight header").write(w, r)
	default:
		ctx := e.signIn.Authenticate(r.Context(), r.Header)
		e.executor.ServeHTTP(w, r.WithContext(ctx))
	}
}

// isNavigation tells a person who typed the address of the API into a browser.
func isNavigation(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html")
}
