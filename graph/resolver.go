// Package graph is the GraphQL face of the gateway: the schema (graph/schema, one file a subject), thin
// resolvers, and errors as clients see them. It speaks to GLPI and to the devices only through glpiproxy
// and bridge, and knows neither HTTP, nor MQTT topics, nor PHP's habits.
package graph

import (
	"context"
	"log/slog"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/graph/generated"
	"fleetgate/graph/model"
	"fleetgate/internal/audit"
	"fleetgate/internal/dangerzone"
	"fleetgate/internal/enrolment"
	"fleetgate/internal/fanout"
	"fleetgate/internal/inturn"
	"fleetgate/internal/invitation"
	"fleetgate/internal/signin"
	"fleetgate/internal/throttle"
)

// Resolver holds what the resolvers need. All fields but the last two are required.
type Resolver struct {
	GLPI   *glpiproxy.Client
	Bridge *bridge.Bridge
	SignIn *signin.Desk
	// Service is the session of the gateway's own account in GLPI; nil: there is no such account. Whoever uses it checks
	// first what the viewer may do.
	Service func(context.Context) (*glpiproxy.Session, error)
	Version string // of the gateway
	// SessionLifetime is how long a sign-in token is good at most.
	SessionLifetime time.Duration
	// MaxUpload is the size of the largest file that can be uploaded, in bytes. The HTTP front sees to it.
	MaxUpload int64
	// UserFailures, NameFailures and AddressFailures slow down password guessing: by user name and client address
	// together, by user name alone, and by client address alone.
	UserFailures, NameFailures, AddressFailures *throttle.Failures
	// Invitations keeps the links, PINs and fates of invitations; Audit the trail of who did what.
	Invitations *invitation.Desk
	Audit       *audit.Trail
	// DangerZone plans what can't be undone, does it and follows it.
	DangerZone *dangerzone.Desk
	// DangerZoneRules are what the operator allows of it.
	DangerZoneRules dangerzone.Rules
	// Mails bounds the mails that people without a sign-in have GLPI send.
	Mails *Allowance
	// Enrolments enrols devices.
	Enrolments *enrolment.Office
	// Signups lets people make accounts for themselves; nil: they can't.
	Signups *Signups

	Now    func() time.Time // nil means time.Now
	Logger *slog.Logger     // nil means slog.Default

	// events brings device events to their subscribers.
	events *fanout.Exchange
	// moments are where subscribers meet who have streams of their own.
	moments fanout.Moments

	// refusals bounds how many mutations people try in vain: each is written to the audit trail, which is bounded itself.
	refusals *throttle.Failures

	passwordReset, selfRegistration offer
	eventStreams, rolloutStreams    streamPlaces
	operationStreams                streamPlaces
	invitationStreams               streamPlaces
}

// Schema makes the schema that the HTTP front executes.
func (r *Resolver) Schema() graphql.ExecutableSchema {
	if r.Now == nil {
		r.Now = time.Now
	}
	if r.Logger == nil {
		r.Logger = slog.Default()
	}
	if r.refusals == nil {
		r.refusals = throttle.New(throttle.Options{Burst: mostRefusals, Refill: refusalForgiven, Now: r.Now})
	}
	if r.events == nil && r.SignIn != nil {
		r.events = fanout.New(fanout.Options{
			Bridge: r.Bridge, WatchScope: r.SignIn.WatchScope, End: r.SignIn.End, LookEvery: scopeCheck, Logger: r.Logger,
		})
	}
	return generated.NewExecutableSchema(generated.Config{Resolvers: r, Directives: generated.DirectiveRoot{Audited: r.audited}})
}

// AroundResponse gives each response its own data loaders: those of a query share every read, and an
// event of a subscription never sees what an earlier one read. A response from the memory of a time before GLPI
// went away says so in its extensions: stale.since is when the oldest of what it shows was true.
func AroundResponse(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	ctx, stale := glpiproxy.WithStaleReport(observed(ctx))
	ctx = withLoaders(glpiproxy.BeforeWaiting(ctx, inturn.Waits))
	response := next(ctx)
	ready(ctx)
	if since, old := stale.Since(); old && response != nil {
		if response.Extensions == nil {
			response.Extensions = map[string]any{}
		}
		response.Extensions["stale"] = map[string]any{"since": since.UTC().Format(time.RFC3339)}
	}
	return response
}

// session is the viewer's GLPI session; an error with the code UNAUTHENTICATED where nobody is signed in.
func session(ctx context.Context) (*glpiproxy.Session, error) {
	viewer, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	return viewer.Session, nil
}

// readable refuses, before GLPI is asked, what the viewer's profile can never read: so "not found" need not
// be told from "forbidden" for single items.
func readable[T glpiproxy.Item](ctx context.Context) (*glpiproxy.Session, error) {
	return allowed[T](ctx, glpiproxy.Read)
}

// parseID takes a global id of one known type apart.
func parseID(argument, typename, globalID string) (int, error) {
	found, id, err := model.ParseGlobalID(globalID)
	if err != nil {
		return 0, badInput("%s: %s", argument, err)
	}
	if found != typename {
		return 0, badInput("%s: the id of a %s was given where that of a %s is wanted", argument, found, typename)
	}
	return id, nil
}
