package glpiproxy

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
)

// Secrets are what an invited person's deeplink is made of. They open GLPI as that
// person: they are for issuing credentials and for enrolling, never for an answer or
// the cache. They print as "[secrets]".
type Secrets struct {
	UserID, EntityID int    // of the invitation
	UserToken        string // the invited user's API token
	InvitationToken  string
	APIURL           string // GLPI's REST API as devices reach it, without a trailing slash
	DeeplinkBase     string // "http://flyve.org/deeplink/"
}

// Format hides the secrets, whatever the verb.
func (Secrets) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[secrets]") }

// LogValue hides the secrets.
func (Secrets) LogValue() slog.Value { return slog.StringValue("[secrets]") }

// defaultDeeplinkBase is Flyve MDM's own, where its configuration can't be read.
const defaultDeeplinkBase = "http://flyve.org/deeplink/"

// InvitationSecrets reads the secrets of an invitation: the one place where they are.
// The session must see the invitation and the invited user, with that user's API
// token, as GLPI shows it to administrators. NotFound or Forbidden: it doesn't.
// Conflict: GLPI holds no token for them.
func InvitationSecrets(ctx context.Context, s *Session, invitationID int) (Secrets, error) {
	const operation = "invitationSecrets"
	invitation, err := secretRow(ctx, s, operation, Invitation{}, invitationID)
	if err != nil {
		return Secrets{}, err
	}
	user, err := secretRow(ctx, s, operation, User{}, invitation.int("users_id"))
	if err != nil {
		return Secrets{}, err
	}
	secrets := Secrets{
		UserID: user.int("id"), EntityID: invitation.int("entities_id"),
		UserToken: user.text("api_token"), InvitationToken: invitation.text("invitation_token"),
	}
	if secrets.UserToken == "" || secrets.InvitationToken == "" {
		return Secrets{}, &Error{Kind: Conflict, Operation: operation, Message: "GLPI holds no token for this invitation that this account may read"}
	}
	if secrets.APIURL, err = s.publicURL(ctx); err != nil {
		return Secrets{}, err
	}
	secrets.DeeplinkBase, err = s.deeplinkBase(ctx)
	return secrets, err
}

// secretRow reads one item with all its columns, past the cache.
func secretRow(ctx context.Context, s *Session, operation string, kind Item, id int) (row, error) {
	if id <= 0 {
		return nil, &Error{Kind: Invalid, Operation: operation, Message: "an id is a positive number"}
	}
	a, err := s.call(ctx, call{operation: operation, path: "/" + kind.itemtype() + "/" + strconv.Itoa(id), query: "get_hateoas=false"})
	if err != nil {
		return nil, err
	}
	raw, err := a.json(operation)
	if err != nil {
		return nil, err
	}
	r, err := parseRow(raw)
	if err == nil && r.int("id") != id {
		err = fmt.Errorf("GLPI answered with another %s", kind.itemtype())
	}
	if err != nil {
		return nil, unexpected(operation, a.status, err)
	}
	return r, nil
}

// publicURL is the REST API as GLPI's configuration tells it to devices, or else as
// the gateway reaches it.
func (s *Session) publicURL(ctx context.Context) (string, error) {
	config, err := s.Config(ctx)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(cmp.Or(config.APIURL, s.client.root), "/"), nil
}

// deeplinkBase reads what deeplinks begin with. Few may read it: the others get
// Flyve MDM's default.
func (s *Session) deeplinkBase(ctx context.Context) (string, error) {
	const operation, name = "deeplinkBase", "invitation_deeplink"
	query := url.Values{"searchText[context]": {"flyvemdm"}, "searchText[name]": {name}}
	a, err := s.call(ctx, call{operation: operation, path: "/Config", query: query.Encode()})
	if kind := KindOf(err); kind == Forbidden || kind == NotFound {
		return defaultDeeplinkBase, nil
	}
	if err != nil {
		return "", err
	}
	raw, err := a.json(operation)
	if err != nil {
		return "", err
	}
	list, _ := members(raw)
	for _, m := range list {
		if r, err := parseRow(m.value); err == nil && r.text("name") == name && r.text("value") != "" {
			return strings.TrimRight(r.text("value"), "/") + "/", nil
		}
	}
	return defaultDeeplinkBase, nil
}
