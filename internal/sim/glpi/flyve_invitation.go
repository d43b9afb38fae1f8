package glpi

import (
	"encoding/base64"
	"fmt"
	"strings"
)

func invitationType() *Itemtype {
	return &Itemtype{
		Name: "PluginFlyvemdmInvitation", Title: "Invitation", Table: "glpi_plugin_flyvemdm_invitations",
		Right: "flyvemdm:invitation", Entity: Local, Display: []int{3, 4, 5},
		Columns: columns(`
			id               int
			name             text
			invitation_token text
			users_id         int
			entities_id      int
			documents_id     int
			status           enum(pending|done) pending
			expiration_date  datetime`),
		Options: loadOptions("PluginFlyvemdmInvitation", nil),
		Hooks: Hooks{
			PrepareAdd: prepareInvitation, PostAdd: inviteUser,
			PostUpdate: func(tx *Tx, row *Row, in Input, _ Change) error {
				if in.Has("_notify") {
					tx.queueInvitation(row)
				}
				return nil
			},
			PostDelete: func(tx *Tx, row *Row) error {
				return tx.deleteAll(tx.Find("PluginFlyvemdmInvitationlog", "plugin_flyvemdm_invitations_id", row.ID()))
			},
		},
	}
}

func invitationLogType() *Itemtype {
	return &Itemtype{
		Name: "PluginFlyvemdmInvitationlog", Title: "Invitation log", Table: "glpi_plugin_flyvemdm_invitationlogs",
		Right: "flyvemdm:invitationLog", Silent: true,
		Columns: columns(`
			id                             int
			plugin_flyvemdm_invitations_id int
			date_creation                  datetime
			event                          text`),
		Options: loadOptions("PluginFlyvemdmInvitationlog", nil),
	}
}

// prepareInvitation checks whom is invited, gives him the guest profile and an api_token, and makes the secret. Whether he
// is a guest already is looked up in the session's entity, and the profile granted in the invitation's.
func prepareInvitation(tx *Tx, in Input) error {
	if !in.Has("users_id") || !in.Has("entities_id") {
		return Refuse("Invalid data")
	}
	user := tx.Row("User", in.Int("users_id"))
	if user != nil && user.Int("is_deleted") == 1 {
		return Refuse("The user was deleted. You must restore him first.")
	}
	if user == nil || tx.defaultEmail(user) == "" {
		return Refuse("Email address is invalid")
	}
	life := tokenLife.FindStringSubmatch(tx.lifeIn(tx.ActiveEntity()))
	if life == nil {
		return Refuse("Invalid token expiration date interval")
	}
	if err := tx.makeGuest(user, in.Int("entities_id")); err != nil {
		return err
	}
	tx.UserToken(user)
	in.Set("name", "Invitation")
	in.Set("invitation_token", tx.Hex(64))
	in.Set("status", "pending")
	in.Set("documents_id", 0)
	in.Set("expiration_date", tx.Now().AddDate(0, 0, phpInt(life[1])).Format(dateLayout))
	return nil
}

// lifeIn is how long invitations last that are made in an entity.
func (tx *Tx) lifeIn(entity int) string {
	if config := tx.Row("PluginFlyvemdmEntityConfig", entity); config != nil {
		return config.Str("agent_token_life")
	}
	return ""
}

func (tx *Tx) defaultEmail(user *Row) string {
	for _, row := range tx.Find("UserEmail", "users_id", user.ID()) {
		if row.Int("is_default") == 1 {
			return row.Str("email")
		}
	}
	return ""
}

func (tx *Tx) makeGuest(user *Row, entity int) error {
	for _, link := range tx.Find("Profile_User", "users_id", user.ID()) {
		if link.Int("profiles_id") == tx.guestProfile() && link.Int("entities_id") == tx.ActiveEntity() {
			return nil
		}
	}
	grant := Input{}
	grant.Set("users_id", user.ID())
	grant.Set("profiles_id", tx.guestProfile())
	grant.Set("entities_id", entity)
	grant.Set("is_recursive", 0)
	return tx.quietly(func() error {
		_, err := tx.Add("Profile_User", grant)
		return err
	})
}

// inviteUser makes the document with the QR code and queues the mail.
func inviteUser(tx *Tx, invitation *Row, _ Input) error {
	image, err := qrPNG(tx.deeplink(invitation))
	if err != nil {
		return fmt.Errorf("drawing the QR code of an invitation: %w", err)
	}
	return tx.quietly(func() error {
		in := Input{"name": "Enrollment QR code"}
		in.Set("entities_id", invitation.Int("entities_id"))
		in.Set("users_id", tx.UserID())
		in.Set("tag", tx.Hex(8)+"-"+tx.Hex(8)+"-"+tx.Hex(14)+".00000000")
		tx.KeepFile(in, tx.Hex(13)+".png", "image/png", image)
		document, err := tx.Add("Document", in)
		if err != nil {
			return fmt.Errorf("keeping the QR code of an invitation: %w", err)
		}
		tx.Insert("Document_Item", map[string]any{
			"documents_id": document.ID(), "items_id": invitation.ID(), "itemtype": "PluginFlyvemdmInvitation",
			"entities_id": invitation.Int("entities_id"), "users_id": tx.UserID(), "date_mod": tx.Date(),
		})
		tx.queueInvitation(invitation)
		return nil
	})
}

// deeplink is what a phone opens to enrol: seven fields in base64, joined by `\;` because the joined text is escaped once
// more as a whole.
func (tx *Tx) deeplink(invitation *Row) string {
	token := ""
	if user := tx.Row("User", invitation.Int("users_id")); user != nil {
		token = tx.UserToken(user)
	}
	fields := []string{strings.TrimSuffix(tx.Config("core", "url_base_api"), "/"), token, invitation.Str("invitation_token")}
	for _, column := range []string{"support_name", "support_phone", "support_website", "support_email"} {
		fields = append(fields, tx.effective(invitation.Int("entities_id"), column))
	}
	escaped := strings.NewReplacer(`\`, `\\`, ";", `\;`).Replace(strings.Join(fields, ";"))
	return tx.Config("flyvemdm", "invitation_deeplink") + "?data=" + base64.StdEncoding.EncodeToString([]byte(escaped))
}

// queueInvitation queues the mail of an invitation.
func (tx *Tx) queueInvitation(invitation *Row) {
	if user := tx.Row("User", invitation.Int("users_id")); user != nil {
		tx.queueMail(letter{
			about: invitation, template: 26, entity: invitation.Int("entities_id"), to: user, subject: invitationSubject,
			text: mailText(tx, invitation), documents: tx.attached(invitation),
		})
	}
}

// attached is the JSON list of an invitation's documents.
func (tx *Tx) attached(invitation *Row) string {
	var ids []string
	for _, link := range tx.Find("Document_Item", "items_id", invitation.ID()) {
		if link.Str("itemtype") == "PluginFlyvemdmInvitation" {
			ids = append(ids, `"`+link.Str("documents_id")+`"`)
		}
	}
	return "[" + strings.Join(ids, ",") + "]"
}

func mailText(tx *Tx, invitation *Row) string {
	host, address := "GLPI", ""
	if sender := tx.User(); sender != nil {
		host = strings.TrimSpace(sender.Str("firstname") + " " + sender.Str("realname"))
		address = tx.defaultEmail(sender)
	}
	return fmt.Sprintf(`Hi,

%s invited you to enroll your mobile device
in Flyve Mobile Device Managment (Flyve MDM). For more information,
please contact %s to his email address
%s.

Please join the Flyve Mobile Device Management system by downloading
and installing the Flyve MDM application for Android from the following link.

%s

If you're viewing this email from a computer flash the QR code you see below
with the Flyve MDM Application.

If you're viewing this email from your device to enroll then tap the
following link or copy it to your browser.

%s

Regards,
`, host, host, address, tx.effective(invitation.Int("entities_id"), "download_url"), tx.deeplink(invitation))
}
