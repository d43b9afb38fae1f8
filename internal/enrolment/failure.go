package enrolment

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/internal/invitation"
)

// Code says why a device was not enrolled.
type Code string

// The codes.
const (
	BadInput                Code = "BAD_USER_INPUT"
	InvitationInvalid       Code = "INVITATION_INVALID"
	InvitationUsed          Code = "INVITATION_USED"
	InvitationExpired       Code = "INVITATION_EXPIRED"
	InvitationDeactivated   Code = "INVITATION_DEACTIVATED"
	WrongEmail              Code = "WRONG_EMAIL"
	VersionInvalid          Code = "VERSION_INVALID"
	VersionTooLow           Code = "VERSION_TOO_LOW"
	TypeUnknown             Code = "TYPE_UNKNOWN"
	InventoryInvalid        Code = "INVENTORY_INVALID"
	TooManyDevices          Code = "TOO_MANY_DEVICES"
	NotificationUnavailable Code = "NOTIFICATION_UNAVAILABLE"
	CertificateRefused      Code = "CERTIFICATE_REFUSED"
	InvitationConsumed      Code = "INVITATION_CONSUMED"
	Refused                 Code = "REFUSED"
)

// messages tell a person what is wrong and what to do.
var messages = map[Code]string{
	InvitationInvalid:       "This invitation is not known, or was withdrawn. Ask your administrator for a new one.",
	InvitationUsed:          "This invitation was used already. Ask your administrator for a new one.",
	InvitationExpired:       "This invitation has expired. Ask your administrator to renew it.",
	InvitationDeactivated:   "This invitation was deactivated. Use the latest one that you got, or ask your administrator.",
	WrongEmail:              "The invitation is for another e-mail address. Enter the one at which you got it.",
	VersionInvalid:          "The version of the app is not one that the server understands, such as 2.1.0.",
	VersionTooLow:           "This version of the app is too old for the server. Update the app and try again.",
	TypeUnknown:             "The server does not take devices of this kind.",
	InventoryInvalid:        "The server can't read the device's inventory.",
	TooManyDevices:          "Your organisation has as many devices as it may have. Your administrator has to remove one or raise the limit.",
	NotificationUnavailable: "The server has no way to reach the device: MQTT is off there. Your administrator has to turn it on.",
	CertificateRefused:      "The server could not sign the device's certificate. Tell your administrator.",
	InvitationConsumed: "The device was not enrolled, and the invitation is used up all the same. The administrator has to delete the device " +
		"that may have been left without a contact, and to send a new invitation.",
	Refused: "The server refused to enrol the device without saying why. Your administrator may find the reason in the invitation's log.",
}

// Failure is why a device was not enrolled. Its text is for the device's user.
type Failure struct {
	Code    Code
	Message string
	Field   string // of the request that is to blame; "": none
	// InvitationID and EntityID are the invitation's; 0: not known.
	InvitationID, EntityID int
}

func (f *Failure) Error() string { return f.Message }

func failure(code Code) *Failure {
	return &Failure{Code: code, Message: messages[code], Field: fields[code]}
}

// fields are what the codes blame.
var fields = map[Code]string{
	InvitationInvalid: "deeplink", InvitationUsed: "deeplink", InvitationExpired: "deeplink", InvitationDeactivated: "deeplink",
	InvitationConsumed: "deeplink", WrongEmail: "email", VersionInvalid: "version", VersionTooLow: "version", TypeUnknown: "type",
	InventoryInvalid: "inventory", CertificateRefused: "csr",
}

// reasons are the plugin's texts in English, in which installations keep their logs unless the invited person chose
// another language. What GLPI says only once it has used the invitation up is not among them.
var reasons = []struct {
	text string
	code Code
}{
	{"service is not available", NotificationUnavailable},
	{"notification token is missing", NotificationUnavailable},
	{"notification settings are invalid", NotificationUnavailable},
	{"inventory xml is", InventoryInvalid},
	{"agent version missing", VersionInvalid},
	{"bad agent version", VersionInvalid},
	{"agent version is too low", VersionTooLow},
	{"mdm type", TypeUnknown},
	{"is not pending", InvitationUsed},
	{"token expired", InvitationExpired},
	{"expiration date of the invitation is not set", InvitationExpired},
	{"wrong email", WrongEmail},
	{"failed to sign the certificate", CertificateRefused},
	{"too many devices", TooManyDevices},
	{"invitation token invalid", InvitationInvalid},
}

// codeOf reads a reason of GLPI's.
func codeOf(reason string) (Code, bool) {
	reason = strings.ToLower(reason)
	for _, known := range reasons {
		if strings.Contains(reason, known.text) {
			return known.code, true
		}
	}
	return "", false
}

// failed explains why GLPI did not enrol the device.
func (a *attempt) failed(ctx context.Context, err error) error {
	kind := glpiproxy.KindOf(err)
	if kind == glpiproxy.Unauthenticated || kind == glpiproxy.Throttled {
		return err
	}
	if a.service == nil {
		if kind != glpiproxy.Invalid {
			return err
		}
		code, known := codeOf(err.Error()) // a server that debugs enrolments tells
		if !known {
			code = Refused
		}
		return failure(code)
	}
	after, readErr := glpiproxy.GetFresh[glpiproxy.Invitation](ctx, a.service, []int{a.before.ID})
	if readErr != nil {
		a.o.Logger.WarnContext(ctx, "a failed enrolment can't be explained", "invitation", a.before.ID, "error", readErr)
		return err
	}
	found := a.explain(ctx, after[a.before.ID].Item)
	switch {
	case found == InvitationConsumed:
		return a.burnt(ctx, err)
	case found == Refused && kind != glpiproxy.Invalid: // nothing came of it: the caller may try again
		return err
	}
	return a.report(ctx, found)
}

// explain finds the reason in what GLPI wrote into the invitation's log, and otherwise in what is known of the
// invitation.
func (a *attempt) explain(ctx context.Context, after glpiproxy.Invitation) Code {
	entries, err := a.log(ctx)
	if err == nil && len(entries) > 0 && entries[len(entries)-1].ID > a.logged {
		if code, known := codeOf(entries[len(entries)-1].Event); known {
			if code == InvitationUsed {
				return ended(after)
			}
			return code
		}
	}
	now := a.o.Now()
	switch {
	case a.before.Status == "pending" && after.Status == "done":
		return InvitationConsumed
	case after.Status == "done":
		return ended(after)
	case !after.ExpiresAt.IsZero() && !now.Before(after.ExpiresAt):
		return InvitationExpired
	case a.tooMany(ctx):
		return TooManyDevices
	case a.wrongEmail(ctx):
		return WrongEmail
	case tooLow(a.device.Type, a.device.Version):
		return VersionTooLow
	}
	return Refused
}

// ended tells a used invitation, which has lost its date, from one that somebody ended.
func ended(i glpiproxy.Invitation) Code {
	if i.ExpiresAt.IsZero() {
		return InvitationUsed
	}
	return InvitationDeactivated
}

func (a *attempt) log(ctx context.Context) ([]glpiproxy.InvitationLog, error) {
	return glpiproxy.LatestLogOf(ctx, a.service, a.before.ID)
}

// tooMany asks whether the entity is full, which GLPI finds before it looks at the invitation, and logs nowhere.
func (a *attempt) tooMany(ctx context.Context) bool {
	config, err := glpiproxy.EntityConfigOf(ctx, a.service, a.before.EntityID)
	if err != nil || config.DeviceLimit <= 0 {
		return false
	}
	page, err := glpiproxy.List[glpiproxy.Agent](ctx, a.service, glpiproxy.ListOptions{
		Range: glpiproxy.Range{Count: 1}, Filter: map[string]string{"entities_id": strconv.Itoa(a.before.EntityID)}, Fresh: true,
	})
	return err == nil && page.Total >= config.DeviceLimit
}

func (a *attempt) wrongEmail(ctx context.Context) bool {
	emails, err := glpiproxy.EmailsOf(ctx, a.service, []int{a.before.UserID})
	if err != nil || len(emails[a.before.UserID]) == 0 {
		return false
	}
	for _, e := range emails[a.before.UserID] {
		if strings.EqualFold(e.Email, a.device.Email) {
			return false
		}
	}
	return true
}

var agentVersion = regexp.MustCompile(`^(\d{1,6})\.\d{1,6}\.\d{1,6}(-[\w.]{1,32})?$`)

// oldestMajor is the oldest major version of the agents that the plugin takes.
var oldestMajor = map[string]int{"android": 2, "apple": 1}

func tooLow(kind, version string) bool {
	m := agentVersion.FindStringSubmatch(version)
	if m == nil {
		return false
	}
	major, err := strconv.Atoi(m[1])
	return err == nil && major < oldestMajor[kind]
}

// burnt reports that the invitation is used up and no device can use what came of it.
func (a *attempt) burnt(ctx context.Context, cause error) error {
	a.o.Logger.ErrorContext(ctx, "an enrolment failed half-way: its invitation is used up", "invitation", a.before.ID, "error", cause)
	return a.report(ctx, InvitationConsumed)
}

// report notes a failure with its invitation, for the administrator, and answers it.
func (a *attempt) report(ctx context.Context, code Code) error {
	f := failure(code)
	f.InvitationID, f.EntityID = a.before.ID, a.before.EntityID
	if f.InvitationID == 0 {
		return f
	}
	value, err := json.Marshal(Note{At: a.o.Now().UTC(), Code: code})
	if err == nil {
		err = a.o.Store.Put(ctx, failureBucket, bucketKey(f.InvitationID), value, failureKept)
	}
	if err == nil {
		err = a.o.Invitations.Announce(ctx, invitation.Event{Kind: invitation.Failed, InvitationID: f.InvitationID, EntityID: f.EntityID})
	}
	if err != nil {
		a.o.Logger.WarnContext(ctx, "a failed enrolment was not noted", "invitation", f.InvitationID, "error", err)
	}
	return f
}

const (
	failureBucket = "enrolment-failure" // invitation id -> Note
	failureKept   = 400 * 24 * time.Hour
)

func bucketKey(invitationID int) string { return strconv.Itoa(invitationID) }

// Note is the latest failure of an invitation that was tried through the gateway.
type Note struct {
	At   time.Time `json:"at"`
	Code Code      `json:"code"`
}

// Message is the failure in words.
func (n Note) Message() string { return messages[n.Code] }

// Failures are the latest failures of invitations; those with which nobody has failed since they last worked are left
// out.
func (o *Office) Failures(ctx context.Context) (map[int]Note, error) {
	notes := map[int]Note{}
	var broken error
	err := o.o.Store.Each(ctx, failureBucket, func(key string, value []byte) bool {
		id, err := strconv.Atoi(key)
		var n Note
		if err == nil {
			err = json.Unmarshal(value, &n)
		}
		if err != nil {
			broken = fmt.Errorf("reading the notes on enrolments: %w", err)
			return false
		}
		notes[id] = n
		return true
	})
	if err == nil {
		err = broken
	}
	return notes, err
}
