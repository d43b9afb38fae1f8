package enrolment

import (
	"strings"
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
	DeviceTaken             Code = "DEVICE_TAKEN"
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
	DeviceTaken: "A device with this serial number or UUID is under management already, and not as yours. The administrator has to " +
		"unenrol or delete it there first.",
	InvitationConsumed: "The device was not enrolled, and the invitation is used up all the same. The administrator has to delete the device " +
		"that may have been left without a contact, and to send a new invitation.",
	Refused: "The server refused to enrol the device. Your administrator may find the reason in the invitation's log.",
}

// Failure is why a device was not enrolled. Its text is for the device's user.
type Failure struct {
	Code    Code
	Message string
	Field   string // of the request that is to blame; "": none
}

func (f *Failure) Error() string { return f.Message }

func failure(code Code) *Failure {
	return &Failure{Code: code, Message: messages[code], Field: fields[code]}
}

// fields are what the codes blame.
var fields = map[Code]string{
	InvitationInvalid: "deeplink", InvitationUsed: "deeplink", InvitationExpired: "deeplink", InvitationDeactivated: "deeplink",
	InvitationConsumed: "deeplink", WrongEmail: "email", VersionInvalid: "version", VersionTooLow: "version", TypeUnknown: "type",
	InventoryInvalid: "inventory", CertificateRefused: "csr", DeviceTaken: "serial",
}

// reasons are the plugin's texts in English. GLPI writes them in the language of the invited person, or else its own: what
// can be found out without them is, and an unknown one is shown as it is. What GLPI says only once it has used the
// invitation up is not among them.
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

// codeOf reads a reason of GLPI's; false: it is none of those known.
func codeOf(reason string) (Code, bool) {
	reason = strings.ToLower(reason)
	for _, known := range reasons {
		if strings.Contains(reason, known.text) {
			return known.code, true
		}
	}
	return "", false
}
