package enrolment

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"fleetgate/glpiproxy"
	"fleetgate/internal/invitation"
)

// Request is what a device says to be enrolled: a deeplink, or the two tokens that are in it.
type Request struct {
	Deeplink                   string
	UserToken, InvitationToken string
	Email                      string
	Serial, UUID               string // one at least
	FirstName, LastName, Phone string // "": the names of the invited stay
	Version                    string // of the app: "2.1.0"
	Type                       string // android or apple
	Model, OSVersion           string // for the inventory that is built where none is given
	Inventory                  string // FusionInventory's XML, as it is or in base64; "": one is built
	CSR                        string // PEM; "": none
}

// Format hides the tokens, whatever the verb.
func (r Request) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[request to enrol ", r.Serial, "]") }

// device is a request that can be sent.
type device struct {
	glpiproxy.Enrolment
	userToken, invitationToken string
}

// Format hides the tokens, whatever the verb.
func (d device) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[device ", d.Serial, "]") }

const (
	longestLine   = 255 // bytes, as GLPI's columns
	longestSerial = 128
	longestCSR    = 16 << 10
	longestToken  = 128
)

func bad(field, message string) *Failure {
	return &Failure{Code: BadInput, Message: message, Field: field}
}

// check refuses what GLPI must not get: it takes serials for names of accounts and parts of topics.
func (r Request) check(reserved []string) (device, error) {
	d := device{userToken: r.UserToken, invitationToken: r.InvitationToken}
	if r.Deeplink != "" {
		link, err := invitation.ParseDeeplink(r.Deeplink)
		if err != nil {
			return device{}, bad("deeplink", "It is not the link of an invitation.")
		}
		d.userToken, d.invitationToken = link.UserToken, link.InvitationToken
	}
	serial := cmp.Or(r.Serial, r.UUID)
	for _, found := range []*Failure{
		checkToken("userToken", d.userToken), checkToken("invitationToken", d.invitationToken), r.checkLines(),
		r.checkIdentity(reserved), r.checkKind(),
	} {
		if found != nil {
			return device{}, found
		}
	}
	d.Enrolment = glpiproxy.Enrolment{
		Email: strings.TrimSpace(r.Email), Serial: serial, UUID: r.UUID, FirstName: r.FirstName, LastName: r.LastName, Phone: r.Phone,
		Version: r.Version, Type: r.Type, CSR: r.CSR,
	}
	inventory, failed := r.inventory(serial)
	if failed != nil {
		return device{}, failed
	}
	d.Inventory = base64.StdEncoding.EncodeToString(inventory)
	return d, nil
}

func checkToken(field, token string) *Failure {
	odd := func(r rune) bool { return r < '!' || r > '~' }
	if token == "" || len(token) > longestToken || strings.ContainsFunc(token, odd) {
		return bad(field, "A deeplink is needed, or the two tokens that are in it.")
	}
	return nil
}

func (r Request) checkLines() *Failure {
	for _, line := range []struct{ field, value string }{
		{"email", r.Email}, {"firstName", r.FirstName}, {"lastName", r.LastName}, {"phone", r.Phone},
		{"version", r.Version}, {"model", r.Model}, {"osVersion", r.OSVersion},
	} {
		if len(line.value) > longestLine || !utf8.ValidString(line.value) || strings.ContainsFunc(line.value, unicode.IsControl) {
			return bad(line.field, fmt.Sprintf("It has control characters or more than %d bytes.", longestLine))
		}
	}
	if strings.TrimSpace(r.Email) == "" {
		return bad("email", "The address at which the invitation was received is needed.")
	}
	if len(r.CSR) > longestCSR {
		return bad("csr", "It is too long for a certificate request.")
	}
	return nil
}

// checkIdentity refuses what a device can't be called on the broker, where its serial, or else its UUID, is the name of
// its account and a level of its topics: with a wildcard it could read those of others. What GLPI's lists take for
// anything but itself can't be looked for; nor can what its database takes for another device's name where its lists don't:
// it sees no difference in accents, in forms of letters, and in characters that have no width.
func (r Request) checkIdentity(reserved []string) *Failure {
	if r.Serial == "" && r.UUID == "" {
		return bad("serial", "The device's serial number or its UUID is needed.")
	}
	odd := func(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune(`+#/$%^\`, r) }
	for _, id := range []struct{ field, value string }{{"serial", r.Serial}, {"uuid", r.UUID}} {
		switch {
		case id.value == "":
		case len(id.value) > longestSerial, id.value != strings.TrimSpace(id.value), strings.ContainsFunc(id.value, odd):
			return bad(id.field, `It can't be the name of a device: at most 128 characters of ASCII, without spaces around and without + # / $ % ^ \.`)
		case slices.ContainsFunc(reserved, func(name string) bool { return strings.EqualFold(name, id.value) }):
			return bad(id.field, "It can't be the name of a device.")
		}
	}
	return nil
}

func (r Request) checkKind() *Failure {
	switch {
	case oldestMajor[r.Type] == 0:
		return failure(TypeUnknown)
	case !agentVersion.MatchString(r.Version):
		return failure(VersionInvalid)
	}
	return nil
}
