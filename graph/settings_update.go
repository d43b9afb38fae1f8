package graph

import (
	"context"
	"net/url"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// settingsColumns are the input fields behind GLPI's columns of settings, contactColumns those of an entity's address.
var (
	settingsColumns = map[string]string{
		"agent_token_life": "agentTokenLife", "device_limit": "deviceLimit", "download_url": "downloadUrl",
		"support_name": "supportName", "support_phone": "supportPhone", "support_website": "supportWebsite",
		"support_email": "supportEmail", "support_address": "supportAddress",
	}
	contactColumns = map[string]string{
		"phonenumber": "contact.phone", "website": "contact.website", "email": "contact.email", "address": "contact.address",
		"postcode": "contact.postcode", "town": "contact.town", "state": "contact.state", "country": "contact.country",
	}
)

// updateEntitySettings changes the settings, then the contact.
func (r *Resolver) updateEntitySettings(ctx context.Context, in model.UpdateEntitySettingsInput) (*model.UpdateEntitySettingsPayload, error) {
	refuse := func(wrong []*model.UserError, err error) (*model.UpdateEntitySettingsPayload, error) {
		return &model.UpdateEntitySettingsPayload{UserErrors: wrong}, err
	}
	s, err := allowed[glpiproxy.EntityConfig](ctx, glpiproxy.Read)
	if err != nil {
		return refuse(oneRefusal(err))
	}
	scope, err := s.Scope(ctx)
	if err != nil {
		return nil, err
	}
	id, mistake := inputID("Entity", in.EntityID, "input", "entityId")
	if mistake == nil && !scope.SeesEntity(id) {
		mistake = unknownAt("input", "entityId")
	}
	if mistake != nil {
		return refuse([]*model.UserError{mistake}, nil)
	}
	wrong := append(missingFor(scope, in), checkSettings(in)...)
	if len(wrong) == 0 {
		if wrong, err = writeSettings(ctx, s, id, in); err != nil {
			return nil, err
		}
	}
	settings, err := settingsOf(ctx, id)
	if err != nil && !isUnreadable(err) && len(wrong) == 0 {
		return nil, err
	}
	return &model.UpdateEntitySettingsPayload{Settings: settings, UserErrors: withoutNil(wrong)}, nil
}

// missingFor names the rights that the viewer lacks for a change. GLPI names one of three, in the session's language.
func missingFor(scope *glpiproxy.Scope, in model.UpdateEntitySettingsInput) (wrong []*model.UserError) {
	contact := in.Contact
	in.Contact = nil
	settings := in != model.UpdateEntitySettingsInput{EntityID: in.EntityID}
	for _, missing := range model.MissingSettingsRights(scope) {
		switch isContact := missing.Right == model.SettingsRightUpdateEntity; {
		case isContact && contact != nil:
			wrong = append(wrong, userError(model.UserErrorCodeForbidden, missing.Explanation, "input", "contact"))
		case !isContact && settings:
			wrong = append(wrong, userError(model.UserErrorCodeForbidden, missing.Explanation, "input"))
		}
	}
	return wrong
}

// checkSettings refuses addresses that are none: they stand in mails and on phones, where people follow them.
func checkSettings(in model.UpdateEntitySettingsInput) (wrong []*model.UserError) {
	contact := model.EntityContactInput{}
	if in.Contact != nil {
		contact = *in.Contact
	}
	for field, text := range map[string]*string{"downloadUrl": in.DownloadURL, "supportWebsite": in.SupportWebsite, "contact.website": contact.Website} {
		if text != nil && *text != "" && !isWebAddress(*text) {
			wrong = append(wrong, badAt("A web address begins with http:// or https://.", at(field)...))
		}
	}
	for field, text := range map[string]*string{"supportEmail": in.SupportEmail, "contact.email": contact.Email} {
		if text == nil || *text == "" {
			continue
		}
		if _, err := model.UnmarshalEmailAddress(*text); err != nil {
			wrong = append(wrong, badAt("It is not an e-mail address.", at(field)...))
		}
	}
	return wrong
}

func isWebAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

func writeSettings(ctx context.Context, s *glpiproxy.Session, id int, in model.UpdateEntitySettingsInput) ([]*model.UserError, error) {
	now, err := glpiproxy.GetFresh[glpiproxy.EntityConfig](ctx, s, []int{id})
	if err == nil {
		err = now[id].Err
	}
	if err != nil {
		return oneRefusal(err, "input", "entityId")
	}
	if change := configChange(now[id].Item, in); change != (glpiproxy.EntityConfigChange{}) {
		err := glpiproxy.UpdateItem(ctx, s, id, change)
		if wrong, err := columnRefusals(err, settingsColumns, nil, "input"); err != nil || len(wrong) > 0 {
			return wrong, err
		}
	}
	if in.Contact == nil || *in.Contact == (model.EntityContactInput{}) {
		return nil, nil
	}
	return columnRefusals(glpiproxy.UpdateItem(ctx, s, id, glpiproxy.EntityChange{
		Phone: in.Contact.Phone, Website: in.Contact.Website, Email: in.Contact.Email, Address: in.Contact.Address,
		Postcode: in.Contact.Postcode, Town: in.Contact.Town, State: in.Contact.State, Country: in.Contact.Country,
	}), contactColumns, nil, "input", "contact")
}

// configChange is what really changes. GLPI makes of a value that equals the one in force an inherited one, even where it
// is the entity's own.
func configChange(now glpiproxy.EntityConfig, in model.UpdateEntitySettingsInput) glpiproxy.EntityConfigChange {
	changed := func(value *string, inForce string, inherited bool) *string {
		if value == nil || *value == inForce && *value != "" || *value == "" && inherited {
			return nil
		}
		return value
	}
	is := now.Inherited
	return glpiproxy.EntityConfigChange{
		TokenLifeDays: in.AgentTokenLife, DeviceLimit: in.DeviceLimit,
		DownloadURL:    changed(in.DownloadURL, now.DownloadURL, is.DownloadURL),
		SupportName:    changed(in.SupportName, now.SupportName, is.SupportName),
		SupportPhone:   changed(in.SupportPhone, now.SupportPhone, is.SupportPhone),
		SupportWebsite: changed(in.SupportWebsite, now.SupportWebsite, is.SupportWebsite),
		SupportEmail:   changed(in.SupportEmail, now.SupportEmail, is.SupportEmail),
		SupportAddress: changed(in.SupportAddress, now.SupportAddress, is.SupportAddress),
	}
}
