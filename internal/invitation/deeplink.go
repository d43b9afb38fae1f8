package invitation

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
)

// Deeplink is what a device needs to enrol, as the agents of Flyve MDM read it. It holds secrets of GLPI and prints as
// "[deeplink]".
type Deeplink struct {
	Base                       string // "http://flyve.org/deeplink/"
	APIURL                     string // GLPI's, without a trailing slash
	UserToken, InvitationToken string
	Name, Phone, Website, Mail string // the helpdesk's
}

const (
	separator       = `\;` // the agents split there, and take nothing for escaped
	fieldsOfLink    = 7
	neededFields    = 3
	longestDeeplink = 8192
)

// Format hides the secrets, whatever the verb.
func (Deeplink) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[deeplink]") }

// LogValue hides the secrets.
func (Deeplink) LogValue() slog.Value { return slog.StringValue("[deeplink]") }

// plain takes out of a field what agents would take for a separator: GLPI itself escapes it so that they do.
var plain = strings.NewReplacer(";", ",", `\`, "/", "\r", "", "\n", " ")

// standard makes standard base64 of what is left of it, and of base64 for URLs.
var standard = strings.NewReplacer(" ", "+", "-", "+", "_", "/")

// Text is the deeplink as agents, QR codes and mails have it: standard base64 in the query. A "+" is escaped there, since
// the agent for Android would read a space; the one for iOS undoes that too.
func (d Deeplink) Text() string {
	text := base64.StdEncoding.EncodeToString(d.data(d.Mail))
	return d.Base + "?data=" + strings.ReplaceAll(text, "+", "%2B")
}

// AppLink opens the agent by its own scheme, so that the secrets don't pass by the server of the deeplink's base. It is
// for a browser: what a query gives a meaning is escaped. The agent for iOS adds a "=" before it decodes; for it the
// text is made to lack one.
func (d Deeplink) AppLink(ios bool) string {
	mail := d.Mail
	if ios && len(d.data(mail))%3 == 0 { // nothing is lacking
		mail += " "
	}
	text := base64.StdEncoding.EncodeToString(d.data(mail))
	if ios {
		text = strings.TrimSuffix(text, "=")
	}
	return "flyve://register?data=" + strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(text)
}

func (d Deeplink) data(mail string) []byte {
	fields := []string{d.APIURL, d.UserToken, d.InvitationToken, d.Name, d.Phone, strings.ReplaceAll(d.Website, ";", "%3B"), mail}
	for i := range fields {
		fields[i] = plain.Replace(fields[i])
	}
	return []byte(strings.Join(fields, separator))
}

// ErrDeeplink says that a text is no deeplink. It never holds the text.
var ErrDeeplink = errors.New("not a deeplink")

// ParseDeeplink takes a deeplink apart, more generously than the agents do: what links go through turns "+" into a space,
// cuts "=" off, escapes, or adds parameters of its own; and the helpdesk may lack. GLPI's doubled backslashes are undone.
func ParseDeeplink(text string) (Deeplink, error) {
	base, data, found := strings.Cut(strings.TrimSpace(text), "?data=")
	if !found || len(text) > longestDeeplink {
		return Deeplink{}, ErrDeeplink
	}
	data, _, _ = strings.Cut(data, "&")
	data, err := url.PathUnescape(data)
	if err != nil {
		return Deeplink{}, ErrDeeplink
	}
	data = strings.TrimRight(standard.Replace(data), "=")
	plain, err := base64.RawStdEncoding.DecodeString(data)
	if err != nil {
		return Deeplink{}, ErrDeeplink
	}
	fields := strings.Split(string(plain), separator)
	if len(fields) < neededFields || fields[0] == "" || fields[1] == "" || fields[2] == "" {
		return Deeplink{}, ErrDeeplink
	}
	fields = append(fields, make([]string, fieldsOfLink)...)
	for i := range fields {
		fields[i] = strings.ReplaceAll(fields[i], `\\`, `\`)
	}
	return Deeplink{base, strings.TrimRight(fields[0], "/"), fields[1], fields[2], fields[3], fields[4], fields[5], fields[6]}, nil
}
