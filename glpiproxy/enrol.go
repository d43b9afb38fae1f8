package glpiproxy

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
)

// Guest is the session of an invited person under Flyve MDM's profile for the invited, in which devices are
// enrolled. It must be ended.
type Guest struct {
	s     *Session
	scope *Scope
}

// Guest signs in with the user token of a deeplink and takes the guest profile where it isn't the active one. A
// session that was opened is closed again when it can't be used. Errors: BadCredentials, Forbidden (the person does
// not have that profile any more), Unsupported (no Flyve MDM), Unavailable, Timeout.
func (c *Client) Guest(ctx context.Context, userToken string) (*Guest, error) {
	s, err := c.SignInWithToken(ctx, userToken)
	if err != nil {
		return nil, err
	}
	g := &Guest{s: s}
	if err := g.takeProfile(ctx); err != nil {
		g.End(ctx)
		return nil, err
	}
	return g, nil
}

func (g *Guest) takeProfile(ctx context.Context) (err error) {
	if g.scope, err = g.s.Scope(ctx); err != nil {
		return err
	}
	if g.scope.GuestProfileID <= 0 {
		return &Error{Kind: Unsupported, Operation: "enroll", Message: "GLPI names no profile for the invited"}
	}
	if g.scope.isGuest() {
		return nil
	}
	return g.s.SwitchProfile(ctx, g.scope.GuestProfileID)
}

// UserID is the person.
func (g *Guest) UserID() int { return g.scope.UserID }

// Names are the person's first and last name.
func (g *Guest) Names() (first, last string) { return g.scope.FirstName, g.scope.LastName }

// Enter makes an entity the active one: GLPI looks there, and not in the invitation's, for the limit on devices and
// for the fleet of the new one.
func (g *Guest) Enter(ctx context.Context, entityID int) error {
	scope, err := g.s.Scope(ctx)
	if err != nil || scope.EntityID == entityID && !scope.Recursive {
		return err
	}
	return g.s.SwitchEntity(ctx, entityID, false)
}

// End closes the session in GLPI, also when ctx is done. GLPI ends by itself what can't be closed.
func (g *Guest) End(ctx context.Context) {
	leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.s.client.timeout)
	defer cancel()
	if err := g.s.End(leaving); err != nil {
		g.s.client.log.Debug("the session of an invited person was left to GLPI to end", "error", err)
	}
}

// Enrolment is what a device says of itself to be enrolled.
type Enrolment struct {
	Email, InvitationToken     string
	Serial, UUID               string
	FirstName, LastName, Phone string // the person's names are overwritten with these
	Version                    string // of the agent
	Type                       string // android or apple
	Inventory                  string // base64 of FusionInventory's XML
	CSR                        string // a request for a client certificate; "": none
}

// input has every key: GLPI fails over a missing one after it has used the invitation up.
func (e Enrolment) input() map[string]any {
	return map[string]any{
		"_email": e.Email, "_invitation_token": e.InvitationToken, "_serial": e.Serial, "_uuid": e.UUID, "csr": e.CSR,
		"firstname": e.FirstName, "lastname": e.LastName, "phone": e.Phone, "version": e.Version, "type": e.Type,
		"has_system_permission": "0", "notification_type": "mqtt", "notification_token": "", "inventory": e.Inventory,
	}
}

// Format hides the invitation's token, whatever the verb.
func (e Enrolment) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[enrolment of ", e.Serial, "]") }

// Enroll makes the agent and tells its id. Invalid: GLPI refused, mostly without saying why: see LogOf. After that,
// and after what leaves it in doubt, the invitation may have been used up.
func (g *Guest) Enroll(ctx context.Context, e Enrolment) (int, error) {
	k := call{
		operation: "enroll", method: http.MethodPost, path: "/" + Agent{}.itemtype(), once: true, slow: true,
		body: map[string]any{"input": e.input()}, secrets: []string{e.InvitationToken},
	}
	a, err := g.s.call(ctx, k)
	id, err := created(k.operation, a, err)
	g.s.client.Invalidate(listTag(Agent{}.itemtype()), listTag(Invitation{}.itemtype()), listTag(Computer{}.itemtype()),
		listTag(InvitationLog{}.itemtype()))
	return id, err
}

// AgentCredentials are what a device needs once it is enrolled. They print as "[credentials]".
type AgentCredentials struct {
	AgentID     int
	ComputerID  int
	EntityID    int
	Name        string
	Topic       string // below which the device speaks and listens: "3/agent/SERIAL"
	APIToken    string // of the device's own account in GLPI
	Certificate string // signed for it; "": none
	Broker      string // host
	Port        int
	TLS         bool
	Password    string // on the broker
}

// Format hides the credentials, whatever the verb.
func (AgentCredentials) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[credentials]") }

// Credentials reads what the device needs. Each call makes its account on the broker anew, with another password.
func (g *Guest) Credentials(ctx context.Context, agentID int) (AgentCredentials, error) {
	if err := checkID("credentials", traits{}, agentID); err != nil {
		return AgentCredentials{}, err
	}
	const operation = "credentials"
	a, err := g.s.call(ctx, call{operation: operation, path: "/" + Agent{}.itemtype() + "/" + strconv.Itoa(agentID), once: true})
	if err != nil {
		return AgentCredentials{}, err
	}
	raw, err := a.json(operation)
	if err != nil {
		return AgentCredentials{}, err
	}
	r, err := parseRow(raw)
	if err == nil && (r.int("id") != agentID || plain(r["mqttpasswd"]) == "") {
		err = errors.New("GLPI gave no credentials of this device")
	}
	if err != nil {
		return AgentCredentials{}, unexpected(operation, a.status, err)
	}
	return AgentCredentials{
		AgentID: agentID, ComputerID: r.int("computers_id"), EntityID: r.int("entities_id"), Name: r.text("name"),
		Topic: r.text("topic"), APIToken: plain(r["api_token"]), Certificate: r.text("certificate"),
		Broker: r.text("broker"), Port: r.int("port"), TLS: r.bool("tls"), Password: plain(r["mqttpasswd"]),
	}, nil
}

// InvitationByToken finds the invitation that a deeplink is of, among those of the person whom it signs in, as GLPI
// has it now. The session is that of an account that may read invitations; the token doesn't travel. NotFound: there
// is none.
func InvitationByToken(ctx context.Context, s *Session, userID int, token string) (Invitation, error) {
	const operation = "invitationByToken"
	scope, err := s.Scope(ctx)
	if err == nil {
		err = checkViewer(operation, Invitation{}.itemtype(), scope)
	}
	if err != nil {
		return Invitation{}, err
	}
	columns := columnsOf(reflect.TypeFor[Invitation]())
	for start := 0; ; start += maxCount {
		o := ListOptions{Range: Range{start, maxCount}, Descending: true, Filter: map[string]string{"users_id": strconv.Itoa(userID)}}
		query, err := o.query(operation, columns)
		if err != nil {
			return Invitation{}, err
		}
		a, err := s.call(ctx, call{operation: operation, path: "/" + Invitation{}.itemtype(), query: query})
		if exceeds(err) {
			return Invitation{}, &Error{Kind: NotFound, Operation: operation}
		}
		if err != nil {
			return Invitation{}, err
		}
		found, full, err := matchToken(operation, a, token, scope, columns)
		if err != nil || found.ID > 0 {
			return found, err
		}
		if !full {
			return Invitation{}, &Error{Kind: NotFound, Operation: operation}
		}
	}
}

// matchToken looks for a token in a window of invitations; full says that others may follow.
func matchToken(operation string, a *answer, token string, scope *Scope, columns []column) (found Invitation, full bool, err error) {
	raw, err := a.json(operation)
	if err != nil {
		return found, false, err
	}
	list, ok := members(raw)
	if !ok {
		return found, false, unexpected(operation, a.status, errors.New("a list was expected"))
	}
	for _, m := range list {
		r, err := parseRow(m.value)
		if err != nil {
			return found, false, unexpected(operation, a.status, err)
		}
		if subtle.ConstantTimeCompare([]byte(plain(r["invitation_token"])), []byte(token)) == 1 {
			found, err = decodeRow[Invitation](r, scope.location, columns)
			return found, false, err
		}
	}
	return found, len(list) == maxCount, nil
}
