package enrolment

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// Deeplink is what an invitation's link or QR code holds.
type Deeplink struct {
	APIURL          string // of GLPI, as it calls itself
	UserToken       string
	InvitationToken string
	// The helpdesk's; any may be empty.
	Name, Phone, Website, Email string
}

// Format hides the tokens, whatever the verb.
func (Deeplink) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[deeplink]") }

const longestDeeplink = 4 << 10

// ParseDeeplink reads a deeplink as the agents do: what follows "data=" is base64 of seven fields between `\;`, of which
// the first three must be there. The API URL is read and never called: the gateway knows its GLPI.
func ParseDeeplink(link string) (Deeplink, error) {
	refused := bad("deeplink", "It is not the link of an invitation.")
	_, data, found := strings.Cut(strings.TrimSpace(link), "data=")
	if !found || len(link) > longestDeeplink {
		return Deeplink{}, refused
	}
	// Links get "+" turned into a space, "=" cut off or percent-encoded on their way.
	data = strings.NewReplacer(" ", "+", "%2B", "+", "%2b", "+", "%2F", "/", "%2f", "/", "%3D", "", "%3d", "", "-", "+", "_", "/").Replace(data)
	data, _, _ = strings.Cut(data, "&")
	text, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(data, "="))
	if err != nil {
		return Deeplink{}, refused
	}
	fields := strings.Split(string(text), `\;`)
	if len(fields) < 3 {
		return Deeplink{}, refused
	}
	for len(fields) < 7 {
		fields = append(fields, "")
	}
	for i := range fields {
		fields[i] = strings.ReplaceAll(fields[i], `\\`, `\`)
	}
	return Deeplink{fields[0], fields[1], fields[2], fields[3], fields[4], fields[5], fields[6]}, nil
}
