package glpi

import (
	"html"
	"regexp"
	"strings"
)

// Mail is a message that GLPI queued. The simulator sends none: tests and the demonstration read it here, as its reader would.
type Mail struct {
	To, Subject, Text string
	Itemtype          string // what it is about
	ItemID            int
}

var mailToken = regexp.MustCompile(`\b(?:[0-9a-f]{64}|[0-9a-f]{40})\b`)

// Token is the secret in the mail's link: of a forgotten password, or of an account to validate. "" where it has none.
func (m Mail) Token() string { return mailToken.FindString(m.Text) }

// Mails is what was queued for an address, the oldest first.
func (s *Server) Mails(to string) []Mail {
	tx := s.begin(nil)
	defer tx.end()
	var mails []Mail
	for _, row := range tx.Find("QueuedNotification", "recipient", to) {
		mails = append(mails, Mail{row.Str("recipient"), row.Str("name"), row.Str("body_text"), row.Str("itemtype"), row.Int("items_id")})
	}
	return mails
}

// letter is a mail about to be queued.
type letter struct {
	about     *Row // the row that it is about
	template  int
	entity    int
	to        *Row // the user
	subject   string
	text      string
	documents string // JSON list of the ids of attached documents
}

// queueMail queues a mail. The simulator sends none, so it stays unsent.
func (tx *Tx) queueMail(l letter) {
	tx.Insert("QueuedNotification", map[string]any{
		"itemtype": l.about.Type().Name, "items_id": l.about.ID(), "notificationtemplates_id": l.template, "entities_id": l.entity,
		"create_time": tx.Date(), "send_time": tx.Date(), "name": "[GLPI] " + l.subject, "sender": tx.Config("core", "admin_email"),
		"recipient": tx.defaultEmail(l.to), "recipientname": fullName(l.to),
		"headers":   `{"Auto-Submitted":"auto-generated","X-Auto-Response-Suppress":"OOF, DR, NDR, RN, NRN"}`,
		"body_html": "<html><body><p>" + strings.ReplaceAll(html.EscapeString(l.text), "\n", "<br>") + "</p></body></html>",
		"body_text": l.text, "documents": l.documents,
	})
}
