package graph

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// mostEmails bounds the addresses in an input.
const mostEmails = 20

// checkEmails finds the addresses that are to be removed or to become the default one.
func (u *userUpdate) checkEmails(ctx context.Context) error {
	in := u.in
	if len(in.AddEmails)+len(in.RemoveEmails) == 0 && in.DefaultEmail == nil {
		return nil
	}
	u.mistake(atMost(len(in.AddEmails), mostEmails, "input", "addEmails"), atMost(len(in.RemoveEmails), mostEmails, "input", "removeEmails"))
	if len(u.wrong) > 0 {
		return nil
	}
	if err := u.readEmails(ctx); err != nil {
		return err
	}
	for i, address := range in.RemoveEmails {
		if _, found := emailAmong(u.emails, address); !found {
			u.mistake(unknownAt("input", "removeEmails", strconv.Itoa(i)))
		}
	}
	if in.DefaultEmail == nil {
		return nil
	}
	same := func(address string) bool { return strings.EqualFold(address, *in.DefaultEmail) }
	if _, found := emailAmong(u.emails, *in.DefaultEmail); slices.ContainsFunc(in.RemoveEmails, same) || !found && !slices.ContainsFunc(in.AddEmails, same) {
		u.mistake(unknownAt("input", "defaultEmail"))
	}
	return nil
}

func (u *userUpdate) readEmails(ctx context.Context) error {
	held, err := glpiproxy.Children[glpiproxy.User, glpiproxy.UserEmail](ctx, u.session, u.id,
		glpiproxy.ListOptions{Fresh: true, Range: glpiproxy.Range{Count: mostEmails * 10}})
	u.emails = held.Items
	return err
}

func emailAmong(held []glpiproxy.UserEmail, address string) (glpiproxy.UserEmail, bool) {
	i := slices.IndexFunc(held, func(e glpiproxy.UserEmail) bool { return strings.EqualFold(e.Email, address) })
	if i < 0 {
		return glpiproxy.UserEmail{}, false
	}
	return held[i], true
}

// changeEmails adds, chooses the default one, and removes, in this order: so the default one can be replaced in one go.
func (u *userUpdate) changeEmails(ctx context.Context) error {
	wrong, err := addEmails(ctx, u.session, u.id, u.in.AddEmails, "addEmails", 0)
	if u.mistake(wrong...); err != nil {
		return err
	}
	if err := u.chooseDefault(ctx); err != nil || len(u.in.RemoveEmails) == 0 {
		return err
	}
	var ids []int
	for _, address := range u.in.RemoveEmails {
		if email, _ := emailAmong(u.emails, address); !slices.Contains(ids, email.ID) {
			ids = append(ids, email.ID)
		}
	}
	outcomes, err := glpiproxy.DeleteMany[glpiproxy.UserEmail](ctx, u.session, ids)
	return u.refuseEach(outcomes, err, "removeEmails")
}

func (u *userUpdate) chooseDefault(ctx context.Context) error {
	if u.in.DefaultEmail == nil {
		return nil
	}
	if len(u.in.AddEmails) > 0 {
		if err := u.readEmails(ctx); err != nil {
			return err
		}
	}
	email, found := emailAmong(u.emails, *u.in.DefaultEmail)
	if !found || email.Default {
		return nil
	}
	return u.refuse(glpiproxy.UpdateItem(ctx, u.session, email.ID, glpiproxy.UserEmailChange{MakeDefault: true}), "input", "defaultEmail")
}

// addEmails gives a person more addresses; from is the place of the first in the input.
func addEmails(ctx context.Context, s *glpiproxy.Session, userID int, addresses []string, field string, from int) (wrong []*model.UserError, err error) {
	if len(addresses) == 0 {
		return nil, nil
	}
	inputs := make([]glpiproxy.UserEmailInput, len(addresses))
	for i, address := range addresses {
		inputs[i] = glpiproxy.UserEmailInput{UserID: userID, Email: address}
	}
	outcomes, err := glpiproxy.CreateMany(ctx, s, inputs)
	if err != nil {
		return oneRefusal(err, "input", field)
	}
	for i, outcome := range outcomes {
		if outcome.Err == nil {
			continue
		}
		mistake, err := refusal(outcome.Err, "input", field, strconv.Itoa(from+i))
		if err != nil {
			return wrong, err
		}
		wrong = append(wrong, mistake)
	}
	return wrong, nil
}
