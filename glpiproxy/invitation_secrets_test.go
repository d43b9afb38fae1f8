package glpiproxy_test

import (
	"fmt"
	"strings"
	"testing"

	"fleetgate/glpiproxy"
)

func TestInvitationSecrets(t *testing.T) {
	ctx, c := t.Context(), newCompany(t)
	user := c.add("User", map[string]any{"name": "ann@acme.test", "_useremails": []string{"ann@acme.test"}, "_entities_id": c.acme, "_profiles_id": 4})
	invitation := c.add("PluginFlyvemdmInvitation", map[string]any{"users_id": user, "entities_id": c.acme})

	ada := c.signIn("ada@acme.test", "demo")
	secrets, err := glpiproxy.InvitationSecrets(ctx, ada, invitation)
	if err != nil {
		t.Fatal(err)
	}
	if secrets.UserID != user || secrets.EntityID != c.acme || len(secrets.InvitationToken) != 64 ||
		secrets.APIURL != c.server.URL+"/glpi/apirest.php" || secrets.DeeplinkBase != "http://flyve.org/deeplink/" {
		t.Errorf("user %d, entity %d, API %q, base %q", secrets.UserID, secrets.EntityID, secrets.APIURL, secrets.DeeplinkBase)
	}
	if _, err := c.client.SignInWithToken(ctx, secrets.UserToken); err != nil {
		t.Errorf("the user's token does not sign in: %v", err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", secrets, secrets, secrets, []any{&secrets}); strings.Contains(text, secrets.UserToken) || strings.Contains(text, secrets.InvitationToken) {
		t.Errorf("they print as %s", text)
	}

	gus := c.signIn("gus@globex.test", "demo")
	for name, id := range map[string]int{"another company's": invitation, "nobody's": 9999, "zero": 0, "negative": -1} {
		if got, err := glpiproxy.InvitationSecrets(ctx, gus, id); err == nil || got != (glpiproxy.Secrets{}) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
