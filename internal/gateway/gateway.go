// Package gateway puts the parts together: GLPI's client, the bridge to the broker, the sign-in desk, the
// GraphQL schema and the HTTP front, from the settings. It has no rule of its own.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"fleetgate/bridge"
	"fleetgate/dashboard"
	"fleetgate/glpiproxy"
	"fleetgate/graph"
	"fleetgate/internal/dangerzone"
	"fleetgate/internal/delivery"
	"fleetgate/internal/download"
	"fleetgate/internal/enrolment"
	"fleetgate/internal/front"
	"fleetgate/internal/invitation"
	"fleetgate/internal/lookout"
	"fleetgate/internal/responsecache"
	"fleetgate/internal/roster"
	"fleetgate/internal/settings"
	"fleetgate/internal/signin"
	"fleetgate/internal/store"
	"fleetgate/internal/throttle"
)

const (
	patience = 10 * time.Second // for GLPI and the broker to answer at first
	goodbye  = 3 * time.Second  // for GLPI to end the gateway's own session

	glpisAccount = "flyvemdm-backend" // on the broker, as Flyve MDM is installed
)

// Gateway is the whole service.
type Gateway struct {
	glpi        *glpiproxy.Client
	service     *glpiproxy.Account // nil without a service token
	signup      *glpiproxy.Account // nil without a sign-up token
	store       store.Store
	leader      *store.Lease // nil: this gateway is alone
	bridge      *bridge.Bridge
	roster      *roster.Roster // nil without a service token
	desk        *signin.Desk
	responses   *responsecache.Cache // nil: none are kept
	invitations *invitation.Desk
	dangerZone  *dangerzone.Desk
	lookout     *lookout.Lookout // nil without a service token
	auditCopy   io.Closer        // the file of the audit trail
	front       *front.Front
	log         *slog.Logger
}

// New makes a Gateway; it makes no call to GLPI or the broker. Errors name the wrong setting.
func New(s settings.Gateway, version string, log *slog.Logger) (*Gateway, error) {
	g := &Gateway{log: log}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := g.openResponses(s, metrics); err != nil {
		return nil, err
	}
	if err := g.connectGLPI(s, version, metrics); err != nil {
		return nil, err
	}
	secret, err := g.sealingSecret(s)
	if err != nil {
		return nil, err
	}
	if err := g.openDesk(s, secret); err != nil {
		return nil, err
	}
	if g.store, err = openStore(s); err != nil {
		return nil, err
	}
	g.leader = leaderOf(s, g.store, log)
	if err := g.connectBroker(s, secret, metrics); err != nil {
		return nil, errors.Join(err, g.store.Close())
	}
	if g.invitations, err = g.openInvitations(s, secret); err != nil {
		return nil, errors.Join(err, g.store.Close())
	}
	trail, err := g.openTrail(s)
	if err != nil {
		return nil, errors.Join(err, g.store.Close())
	}
	if g.dangerZone, err = g.openDangerZone(s, secret, trail); err != nil {
		return nil, errors.Join(err, g.store.Close())
	}
	rules, err := rulesOf(s)
	if err != nil {
		return nil, errors.Join(err, g.store.Close())
	}
	proxies, err := s.Proxies()
	if err != nil {
		return nil, errors.Join(err, g.store.Close())
	}
	resolver := &graph.Resolver{
		GLPI: g.glpi, Bridge: g.bridge, SignIn: g.desk, Version: version,
		SessionLifetime: s.SessionLifetime, MaxUpload: s.MaxUpload << 20,
		UserFailures:    throttle.New(throttle.Options{}),
		NameFailures:    throttle.New(throttle.Options{Burst: 100, Refill: 10 * time.Second}),
		AddressFailures: throttle.New(throttle.Options{Burst: 50, Refill: 5 * time.Second}),
		Invitations:     g.invitations,
		DangerZone:      g.dangerZone,
		DangerZoneRules: rules,
		Audit:           trail,
		Mails:           graph.NewAllowance(),
		Logger:          log,
	}
	if g.service != nil {
		resolver.Service = g.serviceSession
		if err := g.postLookout(); err != nil {
			return nil, errors.Join(err, g.store.Close())
		}
	}
	if err := g.admitDevices(s, resolver); err != nil {
		return nil, errors.Join(err, g.store.Close())
	}
	if g.signup != nil {
		resolver.Signups = graph.NewSignups(g.signupSession)
	}
	schema := resolver.Schema()
	metrics.MustRegister(resolver.Events())
	g.front, err = front.New(front.Options{
		Schema: schema, SignIn: g.desk,
		ErrorPresenter: resolver.PresentError, AroundResponses: graph.AroundResponse,
		Share:     resolver.Share,
		Responses: g.responses, Keepable: graph.Keepable,
		AllowedOrigins: s.AllowedOrigins, TrustedProxies: proxies,
		Limits: front.Limits{Upload: s.MaxUpload << 20},
		Connections: delivery.Options{
			MaxConnections: s.MaxConnections, MaxConnectionsPerClient: s.MaxPerClient, SlowReader: delivery.SlowReader(s.SlowReader),
		},
		Checks:      []front.Check{{Name: "glpi", Probe: g.checkGLPI}, {Name: "broker", Probe: g.checkBroker}, {Name: "store", Probe: g.store.Check}},
		Downloads:   download.Routes(g.desk, log),
		Invitations: g.invitations,
		Dashboard:   dashboard.Site(),
		Metrics:     metrics, Logger: log,
	})
	if err != nil {
		return nil, errors.Join(err, g.store.Close())
	}
	return g, nil
}

// openResponses makes the cache of responses.
func (g *Gateway) openResponses(s settings.Gateway, metrics prometheus.Registerer) (err error) {
	if s.ResponseCacheMB > 0 {
		g.responses, err = responsecache.New(responsecache.Options{Bytes: s.ResponseCacheMB << 20, Registerer: metrics})
	}
	return err
}

// forgetResponses drops the responses that show what tags name.
func (g *Gateway) forgetResponses(tags ...string) {
	if g.responses != nil {
		g.responses.Void(tags...)
	}
}

func (g *Gateway) connectGLPI(s settings.Gateway, version string, metrics prometheus.Registerer) error {
	location, err := s.Location()
	if err != nil {
		return err
	}
	g.glpi, err = glpiproxy.New(glpiproxy.Options{
		URL: s.GLPIURL, AppToken: s.GLPIAppToken, Version: version, Location: location, Logger: g.log, Registerer: metrics,
		OnInvalidate: g.forgetResponses,
	})
	if err != nil {
		return fmt.Errorf("--glpi-url: %w", err)
	}
	if s.GLPIServiceToken != "" {
		g.service = g.glpi.Account(glpiproxy.UserToken(s.GLPIServiceToken))
	}
	if s.GLPISignupToken != "" {
		g.signup = g.glpi.Account(glpiproxy.UserToken(s.GLPISignupToken))
	}
	return nil
}

func (g *Gateway) connectBroker(s settings.Gateway, secret string, metrics prometheus.Registerer) error {
	secure, err := s.BrokerTLS()
	if err != nil {
		return err
	}
	options := bridge.Options{
		URL: s.MQTTURL, TLS: secure, Username: s.MQTTUsername, Password: s.MQTTPassword,
		StaleAfter: s.StaleAfter, DeviceRate: s.DeviceRate, Changed: func(tag string) { g.forgetResponses(tag) }, Log: eventLog{g.store}, LogSize: eventsKept, LogAge: eventsKeptFor, CursorSecret: []byte(secret),
		Logger: g.log, Registerer: metrics,
	}
	if g.leader != nil {
		options.Leads = g.leader.Held
	}
	if g.service != nil {
		options.Lookup = roster.Lookup(g.serviceSession)
	}
	if g.bridge, err = bridge.New(options); err != nil {
		return fmt.Errorf("--mqtt-url: %w", err)
	}
	if g.service == nil {
		return nil
	}
	g.roster, err = roster.New(roster.Options{
		Bridge: g.bridge, Session: g.serviceSession, Invalidate: g.glpi.Invalidate, Logger: g.log,
	})
	return err
}

// postLookout makes the lookout for what happens to invitations past the gateway.
func (g *Gateway) postLookout() (err error) {
	o := lookout.Options{Session: g.serviceSession, Desk: g.invitations, Logger: g.log}
	if g.leader != nil {
		o.Leads = g.leader.Held
	}
	g.lookout, err = lookout.New(o)
	return err
}

// sealingSecret is what tokens and cursors are sealed with.
func (g *Gateway) sealingSecret(s settings.Gateway) (string, error) {
	secret, kept, err := s.SealingSecret()
	if err == nil && !kept {
		g.log.Warn("sign-in tokens end with this process: set --secret or --data-dir to keep them")
	}
	return secret, err
}

func (g *Gateway) openDesk(s settings.Gateway, secret string) error {
	sealer, err := signin.NewSealer([]byte(secret), nil)
	if err != nil {
		return fmt.Errorf("--secret: %w", err)
	}
	options := signin.Options{GLPI: g.glpi, Sealer: sealer, AcceptSessionTokens: s.AcceptSessionTokens, Logger: g.log}
	if g.service != nil {
		options.Service = g.serviceSession
	}
	g.desk, err = signin.NewDesk(options)
	return err
}

// admitDevices sets up what enrols devices.
func (g *Gateway) admitDevices(s settings.Gateway, r *graph.Resolver) (err error) {
	r.Enrolments, err = enrolment.NewOffice(enrolment.Options{
		GLPI: g.glpi, Service: r.Service, Bridge: g.bridge, Invitations: r.Invitations, Store: g.store,
		ReservedSerials: []string{s.MQTTUsername, glpisAccount}, Logger: g.log,
	})
	return err
}

// Run serves on the listener until ctx is done, then ends in good order: requests first, then what they need.
func (g *Gateway) Run(ctx context.Context, listener net.Listener) error {
	g.log.Info("serving", "address", listener.Addr().String())
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, serving := errgroup.WithContext(ctx)
	if g.leader != nil {
		group.Go(func() error { g.leader.Run(background); return nil })
	}
	group.Go(func() error { return g.bridge.Run(background) })
	if g.roster != nil {
		group.Go(func() error { return g.roster.Run(background) })
	}
	if g.lookout != nil {
		group.Go(func() error { return g.lookout.Run(background) })
	}
	group.Go(func() error { return g.desk.Run(background) })
	group.Go(func() error { return g.dangerZone.Run(background) })
	group.Go(func() error { return g.followDevices(background) })
	group.Go(func() error {
		defer stop()
		return g.front.Serve(serving, listener)
	})
	err := group.Wait()
	g.leaveGLPI(context.WithoutCancel(ctx))
	g.log.Info("stopped")
	return errors.Join(err, g.glpi.Close(), g.store.Close(), g.auditCopy.Close())
}

// leaveGLPI ends the sessions of the gateway's own accounts.
func (g *Gateway) leaveGLPI(ctx context.Context) {
	leaving, cancel := context.WithTimeout(ctx, goodbye)
	defer cancel()
	for _, account := range []*glpiproxy.Account{g.service, g.signup} {
		if account == nil {
			continue
		}
		if err := account.Close(leaving); err != nil {
			g.log.Debug("a session of the gateway's own was left to GLPI to end", "error", err)
		}
	}
}

// WaitReady waits until GLPI and the broker answer, for ten seconds at most; the error says which does not.
func (g *Gateway) WaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	pause := time.NewTicker(50 * time.Millisecond)
	defer pause.Stop()
	for {
		err := errors.Join(g.checkGLPI(ctx), g.checkBroker(ctx))
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-pause.C:
		}
	}
}

// serviceSession is the service account's session, with the profile and entity that GLPI gives it.
func (g *Gateway) serviceSession(ctx context.Context) (*glpiproxy.Session, error) {
	return g.service.Session(ctx, glpiproxy.As{})
}

// signupSession is the session in which people make accounts.
func (g *Gateway) signupSession(ctx context.Context) (*glpiproxy.Session, error) {
	return g.signup.Session(ctx, glpiproxy.As{})
}

// checkGLPI says whether GLPI answers, and takes the service token where there is one.
func (g *Gateway) checkGLPI(ctx context.Context) error {
	if err := g.glpi.Check(ctx); err != nil {
		return err
	}
	if g.service == nil {
		return nil
	}
	if err := g.service.Check(ctx); err != nil {
		return fmt.Errorf("the service account: %w", err)
	}
	return nil
}

// checkBroker says whether the bridge is connected.
func (g *Gateway) checkBroker(context.Context) error {
	status := g.bridge.Status()
	if status.Connected {
		return nil
	}
	if status.LastError != "" {
		return errors.New(status.LastError)
	}
	return errors.New("not connected yet")
}
