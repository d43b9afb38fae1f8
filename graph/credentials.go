package graph

import (
	"context"
	"errors"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
	"fleetgate/internal/invitation"
	"fleetgate/internal/signin"
)

// issueCredentials gives the credentials of an invitation to somebody who may invite. What can't be recorded is not given.
func (r *Resolver) issueCredentials(ctx context.Context, globalID string) (*model.IssueInvitationCredentialsPayload, error) {
	s, err := allowed[glpiproxy.Invitation](ctx, glpiproxy.Read, glpiproxy.Create)
	if err != nil {
		return nil, err
	}
	credentials, wrong, err := r.credentials(ctx, s, globalID)
	if err != nil {
		return nil, err
	}
	return &model.IssueInvitationCredentialsPayload{Credentials: credentials, UserErrors: mistakes(wrong)}, nil
}

func (r *Resolver) credentials(ctx context.Context, s *glpiproxy.Session, globalID string) (*model.InvitationCredentials, *model.UserError, error) {
	field := []string{"input", "invitationId"}
	chain, wrong, err := r.issuable(ctx, s, globalID, field...)
	if wrong != nil || err != nil {
		return nil, wrong, err
	}
	recordEntity(ctx, chain[0].EntityID)
	grant, err := r.grantFor(ctx, s, chain)
	if err != nil {
		wrong, err := refusal(err, field...)
		return nil, wrong, err
	}
	issued, err := r.Invitations.Issue(ctx, grant)
	if err != nil {
		return nil, nil, err
	}
	code, err := invitation.NewQR(grant.Deeplink)
	if err != nil {
		return nil, nil, err
	}
	picture, err := code.DataURL()
	if err != nil {
		return nil, nil, err
	}
	return &model.InvitationCredentials{
		Deeplink: grant.Deeplink, EnrollmentURL: issued.URL, Pin: issued.PIN, QRCodePng: picture, QRCodeSVG: code.SVG(), ExpiresAt: issued.ExpiresAt,
	}, nil, nil
}

// issuable reads an invitation that can be used, of somebody over whom the viewer has authority: who holds the
// credentials acts as the invited person. With it come those of its chain that can.
func (r *Resolver) issuable(ctx context.Context, s *glpiproxy.Session, globalID string, field ...string) ([]glpiproxy.Invitation, *model.UserError, error) {
	id, wrong := inputID("Invitation", globalID, field...)
	if wrong != nil {
		return nil, wrong, nil
	}
	chain, err := r.chainOf(ctx, s, id)
	if err != nil {
		wrong, err := refusal(hidden(err), field...)
		return nil, wrong, err
	}
	if chain = r.usable(chain); len(chain) == 0 {
		return nil, userError(model.UserErrorCodeConflict, "This invitation can't be used any more: renew it, or invite the person again.", field...), nil
	}
	a, err := r.authority(ctx, glpiproxy.Read)
	if err != nil {
		wrong, err := refusal(err, field...)
		return nil, wrong, err
	}
	reason, err := a.reasonAgainst(ctx, chain[0].UserID)
	if err != nil {
		return nil, nil, err
	}
	if reason != "" {
		return nil, userError(model.UserErrorCodeForbidden, reason, field...), nil
	}
	return chain, nil, nil
}

// grantFor gathers what credentials are issued for, of invitations that share a link, with the service account's eyes where
// there is one: the viewer must have been found to be allowed all of it.
func (r *Resolver) grantFor(ctx context.Context, s *glpiproxy.Session, chain []glpiproxy.Invitation) (invitation.Grant, error) {
	invited, eyes := chain[0], s
	if r.Service != nil {
		service, err := r.Service(ctx)
		if err != nil {
			return invitation.Grant{}, err
		}
		eyes = service
	}
	config, err := glpiproxy.EntityConfigOf(ctx, eyes, invited.EntityID)
	if err != nil && !isUnreadable(err) { // an entity may have none yet
		return invitation.Grant{}, err
	}
	addresses, err := glpiproxy.EmailsOf(ctx, eyes, []int{invited.UserID})
	if err != nil {
		return invitation.Grant{}, err
	}
	grant := invitation.Grant{
		EntityID: invited.EntityID, UserID: invited.UserID, Origin: signin.Origin(ctx),
		Helpdesk: invitation.Helpdesk{
			Name: config.SupportName, Phone: config.SupportPhone, Website: config.SupportWebsite, Email: config.SupportEmail,
			Address: config.SupportAddress, DownloadURL: config.DownloadURL,
		},
	}
	var turns []invitation.Turn
	for _, i := range chain {
		secrets, err := glpiproxy.InvitationSecrets(ctx, eyes, i.ID)
		if err != nil {
			return invitation.Grant{}, err
		}
		turns = append(turns, invitation.Turn{
			InvitationID: i.ID, Token: secrets.InvitationToken, ExpiresAt: i.ExpiresAt,
			Deeplink: invitation.Deeplink{
				Base: secrets.DeeplinkBase, APIURL: secrets.APIURL, UserToken: secrets.UserToken, InvitationToken: secrets.InvitationToken,
				Name: config.SupportName, Phone: config.SupportPhone, Website: config.SupportWebsite, Mail: config.SupportEmail,
			}.Text(),
		})
	}
	grant.Turn, grant.Behind = turns[0], turns[1:]
	for _, address := range addresses[invited.UserID] {
		grant.Emails = append(grant.Emails, address.Email)
	}
	return grant, nil
}

// redeemPin gives the deeplink behind an address and its PIN to whoever has both.
func (r *Resolver) redeemPin(ctx context.Context, in model.RedeemPinInput) (*model.RedeemPinPayload, error) {
	refused := func(wrong *model.UserError) (*model.RedeemPinPayload, error) {
		return &model.RedeemPinPayload{UserErrors: []*model.UserError{wrong}}, nil
	}
	if wrong := checkCredential("pin", in.Pin); wrong != nil {
		return refused(wrong)
	}
	found, err := r.Invitations.Redeem(ctx, in.Email, in.Pin, signin.ClientAddress(ctx))
	var locked *invitation.Locked
	switch {
	case errors.As(err, &locked):
		return refused(tooManyTries(locked.Wait))
	case errors.Is(err, invitation.ErrUnknown):
		return refused(userError(model.UserErrorCodeNotFound,
			"The address and the PIN don't fit, or the invitation has ended. Ask your help desk for a new one.", "input"))
	case err != nil:
		return nil, err
	}
	if err := r.Invitations.MarkOpened(ctx, found.InvitationID, found.EntityID); err != nil {
		return nil, err
	}
	recordTarget(ctx, model.GlobalID("Invitation", found.InvitationID))
	recordEntity(ctx, found.EntityID)
	return &model.RedeemPinPayload{Deeplink: &found.Deeplink, UserErrors: []*model.UserError{}}, nil
}
