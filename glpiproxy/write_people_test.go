package glpiproxy_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"fleetgate/glpiproxy"
)

// A password that breaks GLPI's rules is refused in a 200, by a message alone.
func TestPasswordsThatGLPIRefusesInPassing(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 0)
	id := must(d.acme.Scope(ctx))(t).UserID
	d.meddle(func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = fmt.Fprintf(w, `[{"%d":true,"message":"Password too short! weak.pw"}]`, id)
	})
	err := glpiproxy.UpdateItem(ctx, d.acme, id, glpiproxy.UserChange{Password: ptr("weak.pw")})
	wantKind(t, err, glpiproxy.Invalid)
	if !strings.Contains(err.Error(), "Password too short!") {
		t.Error(err)
	}
	err = glpiproxy.UpdateItem(ctx, d.acme, id, glpiproxy.UserChange{Password: ptr("")})
	wantKind(t, err, glpiproxy.Invalid)
}

func TestInvitationsAreForPeopleInSight(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 0)
	email := "new.person@acme.test"
	input := glpiproxy.UserInput{Username: email, Email: &email, EntityID: d.acmeID, ProfileID: must(d.acme.Scope(ctx))(t).GuestProfileID}
	input.Person.FirstName = ptr("Zoë")
	user := must(glpiproxy.CreateItem(ctx, d.acme, input))(t)
	emails := must(glpiproxy.Children[glpiproxy.User, glpiproxy.UserEmail](ctx, d.acme, user, glpiproxy.ListOptions{}))(t).Items
	if len(emails) != 1 || emails[0].Email != email || !emails[0].Default {
		t.Errorf("%+v", emails)
	}
	id := must(glpiproxy.CreateItem(ctx, d.acme, glpiproxy.InvitationInput{UserID: user, EntityID: d.acmeID}))(t)
	until := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
	if err := glpiproxy.UpdateItem(ctx, d.acme, id, glpiproxy.InvitationChange{Status: ptr("done"), ExpiresAt: &until}); err != nil {
		t.Error(err)
	}
	if got := must(glpiproxy.Get[glpiproxy.Invitation](ctx, d.acme, id))(t); got.Status != "done" || !got.ExpiresAt.Equal(until) {
		t.Errorf("%+v, want it to end %v", got, until)
	}
	wantKinds(t, must(glpiproxy.SendInvitations(ctx, d.acme, []int{id}))(t), done)
	foreign := must(d.globex.Scope(ctx))(t).UserID
	_, err := glpiproxy.CreateItem(ctx, d.acme, glpiproxy.InvitationInput{UserID: foreign, EntityID: d.acmeID})
	wantKind(t, err, glpiproxy.NotFound)
	_, err = glpiproxy.CreateItem(ctx, d.acme, glpiproxy.InvitationInput{UserID: user, EntityID: d.globID})
	wantKind(t, err, glpiproxy.NotFound)
	for _, change := range []glpiproxy.InvitationChange{{Status: ptr("opened")}, {ExpiresAt: &time.Time{}}} {
		wantKind(t, glpiproxy.UpdateItem(ctx, d.acme, id, change), glpiproxy.Invalid)
	}
	if err := glpiproxy.DeleteItem[glpiproxy.Invitation](ctx, d.acme, id); err != nil {
		t.Error(err)
	}
}

func TestPeopleAreWritten(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 0)
	profile := must(d.acme.Scope(ctx))(t).Profile.ID
	input := glpiproxy.UserInput{Username: "kim@acme.test", Password: ptr("kim.pw"), EntityID: d.acmeID, ProfileID: profile}
	id := must(glpiproxy.CreateItem(ctx, d.acme, input))(t)
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	change := glpiproxy.UserChange{Person: glpiproxy.Person{
		FirstName: ptr("Kim"), LastName: ptr("D'Ora <x>"), Phone: ptr("0612345678"), Mobile: ptr("+33612345678"),
		BeginDate: &begin, Comment: ptr("line 1\nline 2"), Active: ptr(true), Language: ptr("fr_FR"),
	}}
	if err := glpiproxy.UpdateItem(ctx, d.acme, id, change); err != nil {
		t.Error(err)
	}
	user := must(glpiproxy.Get[glpiproxy.User](ctx, d.acme, id))(t)
	if user.FirstName != "Kim" || user.LastName != "D'Ora <x>" || !user.BeginDate.Equal(begin) || user.Comment != "line 1\nline 2" || user.Language != "fr_FR" {
		t.Errorf("%+v", user)
	}
	if err := glpiproxy.UpdateItem(ctx, d.acme, id, glpiproxy.UserChange{Person: glpiproxy.Person{BeginDate: &time.Time{}, FirstName: ptr("")}}); err != nil {
		t.Error(err)
	}
	if user := must(glpiproxy.Get[glpiproxy.User](ctx, d.acme, id))(t); !user.BeginDate.IsZero() || user.FirstName != "" || user.LastName != "D'Ora <x>" {
		t.Errorf("%+v", user)
	}
	err := glpiproxy.UpdateItem(ctx, d.acme, id, glpiproxy.UserChange{EntityID: &d.globID}) // dropped without a word
	wantKind(t, err, glpiproxy.Unchanged)
	_, err = glpiproxy.CreateItem(ctx, d.acme, glpiproxy.UserInput{Username: "kim@acme.test", EntityID: d.acmeID, ProfileID: profile})
	wantKind(t, err, glpiproxy.Invalid)
	if err := glpiproxy.UpdateItem(ctx, d.acme, id, glpiproxy.UserChange{Password: ptr("other.pw")}); err != nil {
		t.Error(err)
	}
	must(d.client.SignIn(ctx, "kim@acme.test", "other.pw"))(t)
	if err := glpiproxy.DeleteItem[glpiproxy.User](ctx, d.acme, id); err != nil {
		t.Error(err)
	}
	if user := must(glpiproxy.Get[glpiproxy.User](ctx, d.acme, id))(t); !user.Deleted {
		t.Error("not in the trash")
	}
	wantKinds(t, must(glpiproxy.PurgeUsers(ctx, d.acme, []int{id, must(d.globex.Scope(ctx))(t).UserID}))(t), done, glpiproxy.NotFound)
}

func TestAddressesAndGrantsFollowTheirUser(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 0)
	user, foreign := must(d.acme.Scope(ctx))(t).UserID, must(d.globex.Scope(ctx))(t).UserID
	id := must(glpiproxy.CreateItem(ctx, d.acme, glpiproxy.UserEmailInput{UserID: user, Email: "second@acme.test"}))(t)
	if err := glpiproxy.UpdateItem(ctx, d.acme, id, glpiproxy.UserEmailChange{Email: ptr("2nd@acme.test"), MakeDefault: true}); err != nil {
		t.Error(err)
	}
	_, err := glpiproxy.CreateItem(ctx, d.acme, glpiproxy.UserEmailInput{UserID: foreign, Email: "x@acme.test"})
	wantKind(t, err, glpiproxy.NotFound)
	theirs := must(glpiproxy.Children[glpiproxy.User, glpiproxy.UserEmail](ctx, d.globex, foreign, glpiproxy.ListOptions{}))(t).Items[0]
	wantKind(t, glpiproxy.UpdateItem(ctx, d.acme, theirs.ID, glpiproxy.UserEmailChange{Email: ptr("taken@acme.test")}), glpiproxy.NotFound)
	wantKind(t, glpiproxy.DeleteItem[glpiproxy.UserEmail](ctx, d.acme, theirs.ID), glpiproxy.NotFound)
	if err := glpiproxy.DeleteItem[glpiproxy.UserEmail](ctx, d.acme, id); err != nil {
		t.Error(err)
	}
	grant := must(glpiproxy.CreateItem(ctx, d.acme, glpiproxy.ProfileUserInput{UserID: user, ProfileID: 1, EntityID: d.acmeID}))(t)
	if err := glpiproxy.DeleteItem[glpiproxy.ProfileUser](ctx, d.acme, grant); err != nil {
		t.Error(err)
	}
	_, err = glpiproxy.CreateItem(ctx, d.acme, glpiproxy.ProfileUserInput{UserID: user, ProfileID: 1, EntityID: d.globID})
	wantKind(t, err, glpiproxy.NotFound)
}

func TestEntitySettingsAreWrittenAndInherited(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 0)
	write := func(s *glpiproxy.Session, entity int, change glpiproxy.EntityConfigChange) glpiproxy.EntityConfig {
		t.Helper()
		if err := glpiproxy.UpdateItem(ctx, s, entity, change); err != nil {
			t.Error(err)
		}
		return must(glpiproxy.EntityConfigOf(ctx, s, entity))(t)
	}
	got := write(d.acme, d.acmeID, glpiproxy.EntityConfigChange{SupportName: ptr("Help <desk>"), TokenLifeDays: ptr(30), DeviceLimit: ptr(5)})
	if got.SupportName != "Help <desk>" || got.Inherited.SupportName || got.TokenLifeDays() != 30 || got.DeviceLimit != 5 {
		t.Errorf("%+v", got)
	}
	write(d.root, 0, glpiproxy.EntityConfigChange{SupportName: ptr("root's")})
	got = write(d.acme, d.acmeID, glpiproxy.EntityConfigChange{SupportName: ptr("")})
	if got.SupportName != "root's" || !got.Inherited.SupportName {
		t.Errorf("%+v", got)
	}
	got = write(d.acme, d.acmeID, glpiproxy.EntityConfigChange{SupportName: ptr("root's")}) // an own value that GLPI takes for none
	if got.SupportName != "root's" || !got.Inherited.SupportName {
		t.Errorf("%+v", got)
	}
	wantKind(t, glpiproxy.UpdateItem(ctx, d.acme, d.acmeID, glpiproxy.EntityConfigChange{TokenLifeDays: ptr(181)}), glpiproxy.Invalid)
	for _, entity := range []int{d.globID, 0} {
		wantKind(t, glpiproxy.UpdateItem(ctx, d.acme, entity, glpiproxy.EntityConfigChange{DeviceLimit: ptr(1)}), glpiproxy.NotFound)
	}
	if err := glpiproxy.UpdateItem(ctx, d.acme, d.acmeID, glpiproxy.EntityChange{Phone: ptr("+33 1"), Town: ptr("Paris")}); err != nil {
		t.Error(err)
	}
	if entity := must(glpiproxy.Get[glpiproxy.Entity](ctx, d.acme, d.acmeID))(t); entity.Phone != "+33 1" || entity.Town != "Paris" {
		t.Errorf("%+v", entity)
	}
}
