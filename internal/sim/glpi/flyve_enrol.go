package glpi

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// enrolment is one attempt of a guest to enrol a device.
type enrolment struct {
	tx         *Tx
	in         Input
	invitation *Row
	inventory  []byte
}

// enrol checks an attempt and, when it passes, makes the computer and the device's account and completes the agent's row.
// Every failure reads "Enrollment failed" unless debug_enrolment is on; the reason is in the log of the invitation.
func enrol(tx *Tx, in Input) error {
	e := &enrolment{tx: tx, in: in}
	err := e.run()
	if errors.As(err, new(refusal)) && err.Error() != "" && !truthy(tx.Config("flyvemdm", "debug_enrolment")) {
		return Refuse("Enrollment failed")
	}
	return err
}

func (e *enrolment) run() error {
	for _, step := range []func() error{
		e.checkEntity, e.findInvitation, e.logged(e.checkNotification), e.logged(e.checkInventory), e.logged(e.checkVersion),
		e.logged(e.checkInvitation), e.logged(e.checkCertificate), e.logged(e.makeAgent),
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// logged keeps the reason of a refusal with the invitation.
func (e *enrolment) logged(step func() error) func() error {
	return func() error {
		err := step()
		if err != nil && err.Error() != "" {
			e.tx.Insert("PluginFlyvemdmInvitationlog", map[string]any{
				"plugin_flyvemdm_invitations_id": e.invitation.ID(), "date_creation": e.tx.Date(), "event": err.Error(),
			})
		}
		return err
	}
}

// checkEntity looks at the limit of the session's entity, not of the invitation's.
func (e *enrolment) checkEntity() error {
	config := e.tx.Row("PluginFlyvemdmEntityConfig", e.tx.ActiveEntity())
	if config == nil {
		return Refuse("Failed to read configuration of the entity")
	}
	limit := config.Int("device_limit")
	if limit > 0 && len(e.tx.Find("PluginFlyvemdmAgent", "entities_id", e.tx.ActiveEntity())) >= limit {
		return Refuse("Too many devices")
	}
	return nil
}

func (e *enrolment) findInvitation() error {
	if !e.in.Has("_email") || !e.in.Has("_invitation_token") {
		return Refuse("Unable to find a enrollment method")
	}
	e.invitation = e.tx.First("PluginFlyvemdmInvitation", "invitation_token", e.in.Str("_invitation_token"))
	if e.invitation == nil || e.in.Str("_invitation_token") == "" {
		return Refuse("Invitation token invalid")
	}
	return nil
}

func (e *enrolment) checkNotification() error {
	kind := e.in.Str("notification_type")
	if kind != "mqtt" && kind != "fcm" {
		return Refuse("Notification settings are invalid")
	}
	if !truthy(e.tx.Config("flyvemdm", kind+"_enabled")) {
		return Refuse("%s service is not available", strings.ToUpper(kind))
	}
	if kind == "fcm" && e.in.Str("notification_token") == "" {
		return Refuse("Notification token is missing")
	}
	return nil
}

func (e *enrolment) checkInventory() error {
	if e.in.Str("inventory") == "" {
		return Refuse("Device inventory XML is mandatory")
	}
	xml, err := decodeInventory(e.in.Str("inventory"))
	if err != nil {
		return Refuse("Inventory XML is not well formed")
	}
	e.inventory = xml
	return nil
}

var agentVersion = regexp.MustCompile(`^(\d+)\.\d+\.\d+(-[\w.]+)?$`)

// oldestMajor is the oldest major version of the agent that may enrol, by type of device.
var oldestMajor = map[string]int{"android": 2, "apple": 1}

func (e *enrolment) checkVersion() error {
	kind := e.in.Str("type")
	oldest, known := oldestMajor[kind]
	m := agentVersion.FindStringSubmatch(e.in.Str("version"))
	switch {
	case e.in.Str("version") == "":
		return Refuse("Agent version missing")
	case kind == "":
		return Refuse("MDM type missing")
	case !known:
		return Refuse("unknown MDM type")
	case m == nil:
		return Refuse("Bad agent version")
	case phpInt(m[1]) < oldest:
		return Refuse("The agent version is too low")
	}
	return nil
}

func (e *enrolment) checkInvitation() error {
	expires := e.invitation.Str("expiration_date")
	switch {
	case e.invitation.Str("status") != "pending":
		return Refuse("Invitation is not pending")
	case expires == "" || expires == "0000-00-00 00:00:00":
		return Refuse("Expiration date of the invitation is not set")
	case expires < e.tx.Date():
		return Refuse("Invitation token expired")
	}
	for _, address := range e.tx.Find("UserEmail", "users_id", e.invitation.Int("users_id")) {
		if address.Str("email") == e.in.Str("_email") {
			return nil
		}
	}
	return Refuse("Wrong email address")
}

// checkCertificate refuses where devices need client certificates and there is nobody who signs them, or nothing to sign.
// None is signed here.
func (e *enrolment) checkCertificate() error {
	wanted := truthy(e.tx.Config("flyvemdm", "mqtt_tls_for_clients")) && truthy(e.tx.Config("flyvemdm", "mqtt_use_client_cert"))
	if wanted && (e.tx.Config("flyvemdm", "ssl_cert_url") == "" || !strings.Contains(e.in.Str("csr"), "CERTIFICATE REQUEST")) {
		return Refuse("Failed to sign the certificate")
	}
	return nil
}

// makeAgent uses the invitation up first, so that a failure after that leaves it used.
func (e *enrolment) makeAgent() error {
	tx := e.tx
	if !truthy(tx.Config("flyvemdm", "debug_noexpire")) {
		e.invitation.Set("status", "done")
		e.invitation.Set("expiration_date", "0000-00-00 00:00:00")
	}
	entity, owner := e.invitation.Int("entities_id"), e.invitation.Int("users_id")
	computer, err := tx.importInventory(e.inventory, entity, owner)
	if err != nil {
		return err
	}
	tx.Info("XML has been imported succesfully!")
	account, err := e.makeAccount(entity, computer)
	if err != nil {
		return Refuse("Cannot create a user account for the agent")
	}
	if human := tx.Row("User", owner); human != nil {
		human.Set("firstname", e.in.Str("firstname"))
		human.Set("realname", e.in.Str("lastname"))
		human.Set("date_mod", tx.Date())
	}
	if serial := computer.Str("serial"); serial != "" {
		tx.send(fmt.Sprintf("%d/agent/%s/Command/Unenroll", entity, serial), "", true)
	}
	fleet := tx.defaultFleet(tx.landing(entity)) // the import made that the session's entity
	if fleet == nil {
		return Refuse("No default fleet available for the device")
	}
	return e.fill(computer, account, fleet)
}

// makeAccount makes the account with which the device signs in.
func (e *enrolment) makeAccount(entity int, computer *Row) (account *Row, err error) {
	tx := e.tx
	in := Input{"name": "flyvemdm-" + tx.uuid(), "realname": computer.Str("serial")}
	in.Set("profiles_id", tx.agentProfile())
	in.Set("_profiles_id", tx.agentProfile())
	in.Set("_entities_id", entity)
	in.Set("_is_recursive", 0)
	in.Set("usercategories_id", tx.Config("flyvemdm", "agentusercategories_id"))
	err = tx.quietly(func() error {
		account, err = tx.Add("User", in)
		return err
	})
	if err == nil {
		tx.UserToken(account)
	}
	return account, err
}

// fill replaces the input by the agent's columns. Without the optional keys the insertion fails in the database, and the
// answer shows the last message, that of a success.
func (e *enrolment) fill(computer, account, fleet *Row) error {
	for _, key := range []string{"firstname", "lastname", "csr", "has_system_permission", "notification_token"} {
		if !e.in.Given(key) {
			return Refuse("")
		}
	}
	row := Input{
		"name": e.in.Str("_email"), "version": e.in.Str("version"), "mdm_type": e.in.Str("type"),
		"notification_type": e.in.Str("notification_type"), "notification_token": e.in.Str("notification_token"),
	}
	row.Set("computers_id", computer.ID())
	row.Set("users_id", account.ID())
	row.Set("entities_id", e.invitation.Int("entities_id"))
	row.Set("plugin_flyvemdm_fleets_id", fleet.ID())
	clear(e.in)
	for key, v := range row {
		e.in[key] = v
	}
	return nil
}

// welcome tells the new agent that it has no fleet to listen to.
func welcome(tx *Tx, agent *Row, _ Input) error {
	tx.subscribeTo(agent, tx.Row("PluginFlyvemdmFleet", agent.Int("plugin_flyvemdm_fleets_id")))
	return nil
}

// uuid is a random version 4 UUID.
func (tx *Tx) uuid() string {
	hex := tx.Hex(30)
	return fmt.Sprintf("%s-%s-4%s-%c%s-%s", hex[:8], hex[8:12], hex[12:15], "89ab"[tx.s.rand.IntN(4)], hex[15:18], hex[18:30])
}
