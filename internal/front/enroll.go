package front

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"fleetgate/internal/invitation"
	"fleetgate/internal/signin"
)

//go:embed enroll/page.html
var enrollHTML string

//go:embed enroll/style.css
var enrollStyle string

// The page has one style, known by its hash, and loads nothing: no script, no picture, no font.
var (
	enrollTemplate = template.Must(template.New("enroll").Parse(enrollHTML))
	enrollCSP      = "default-src 'none'; style-src 'sha256-" + hashOf(enrollStyle) + "'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

const (
	enrollPrefix = "/enroll/"
	// playStore has the agent, where an entity names no other place.
	playStore = "https://play.google.com/store/apps/details?id=org.flyve.mdm.agent"
	// refusalTime is what every refusal takes: how long the gateway was at it would tell whether a code once led somewhere.
	refusalTime = 300 * time.Millisecond
)

// enrollment serves the pages of invitations at /enroll/{code}.
type enrollment struct {
	desk *invitation.Desk
	log  *slog.Logger
}

// enrollPage is what the template shows; without an invitation it is a refusal.
type enrollPage struct {
	Lang, Until, UntilText  string
	Style                   template.CSS
	Text                    enrollText
	Invitation              *invitation.Invitation
	QR                      template.HTML
	AppLink                 template.URL // of a scheme that the template doesn't know
	Deeplink, Download, PIN string
	HasHelp, SiteIsLink     bool
}

// ServeHTTP answers a GET or HEAD. What leads nowhere has one answer, whatever the reason.
func (e *enrollment) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	header := w.Header()
	header.Set("Content-Security-Policy", enrollCSP)
	header.Set("Cache-Control", "no-store")
	header.Set("X-Robots-Tag", "noindex, nofollow")
	header.Set("Vary", "Accept-Language")
	lang := languageOf(r.Header.Get("Accept-Language"))
	page := enrollPage{Lang: lang, Text: enrollTexts[lang], Style: template.CSS(enrollStyle)}

	found, err := e.desk.Open(r.Context(), r.PathValue("code"), signin.ClientAddress(r.Context()))
	var locked *invitation.Locked
	switch {
	case errors.Is(err, invitation.ErrUnknown):
		holdUntil(r, start.Add(refusalTime))
		e.write(w, http.StatusNotFound, page)
	case errors.As(err, &locked):
		header.Set("Retry-After", strconv.Itoa(int(locked.Wait.Seconds())+1))
		page.Text.Refused, page.Text.RefusedWhy, page.Text.RefusedHow = page.Text.TooMany, page.Text.TooManyWhy, page.Text.LaterHow
		e.write(w, http.StatusTooManyRequests, page)
	case err != nil:
		e.log.ErrorContext(r.Context(), "an invitation's page could not be shown", "error", err)
		page.Text.Refused, page.Text.RefusedWhy, page.Text.RefusedHow = page.Text.Away, page.Text.AwayWhy, page.Text.LaterHow
		e.write(w, http.StatusServiceUnavailable, page)
	default:
		e.show(w, r, page, found)
	}
}

// show shows an invitation, and notes that somebody opened it.
func (e *enrollment) show(w http.ResponseWriter, r *http.Request, page enrollPage, found invitation.Invitation) {
	if err := page.fill(found, r.UserAgent()); err != nil {
		e.log.ErrorContext(r.Context(), "an invitation's page could not be made", "invitation", found.InvitationID, "error", err)
		e.write(w, http.StatusInternalServerError, page)
		return
	}
	if opens(r) {
		if err := e.desk.MarkOpened(r.Context(), found.InvitationID, found.EntityID); err != nil {
			e.log.WarnContext(r.Context(), "that an invitation was opened could not be noted", "invitation", found.InvitationID, "error", err)
		}
	}
	e.write(w, http.StatusOK, page)
}

func (p *enrollPage) fill(found invitation.Invitation, userAgent string) error {
	code, err := invitation.NewQR(found.Deeplink)
	if err != nil {
		return err
	}
	link, err := invitation.ParseDeeplink(found.Deeplink)
	if err != nil {
		return err
	}
	help := found.Helpdesk
	p.Invitation = &found
	p.QR = template.HTML(code.SVG())
	p.AppLink = template.URL(link.AppLink(strings.Contains(userAgent, "iPhone") || strings.Contains(userAgent, "iPad")))
	p.Deeplink, p.PIN = found.Deeplink, found.PIN
	p.Download = playStore
	if isWebLink(help.DownloadURL) {
		p.Download = help.DownloadURL
	}
	p.SiteIsLink = isWebLink(help.Website)
	p.HasHelp = cmp.Or(help.Name, help.Phone, help.Email, help.Website, help.Address) != ""
	p.Until, p.UntilText = found.ExpiresAt.Format(time.RFC3339), p.Text.date(found.ExpiresAt.UTC())
	return nil
}

func isWebLink(text string) bool {
	return strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://")
}

func (e *enrollment) write(w http.ResponseWriter, status int, page enrollPage) {
	var body bytes.Buffer
	if err := enrollTemplate.Execute(&body, page); err != nil {
		e.log.Error("the page of an invitation could not be written", "error", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // of a HEAD, nothing is sent
}

// holdUntil waits for a moment, or until nobody waits for the answer.
func holdUntil(r *http.Request, moment time.Time) {
	wait := time.NewTimer(time.Until(moment))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-r.Context().Done():
	}
}

// machines are the user agents that open links before people do, as far as they say who they are.
var machines = regexp.MustCompile(`(?i)bot\b|crawl|spider|slurp|preview|scanner|facebookexternalhit|^whatsapp|proofpoint|mimecast|barracuda|safelinks`)

// opens says whether a request is a person's who opens the page: a GET that is no prefetch, for a page and not for
// another thing, by no program that says it is one. A scanner of mails that passes itself off as a browser counts as a
// person: nothing tells them apart without asking the person to click once more.
func opens(r *http.Request) bool {
	if r.Method != http.MethodGet {
		return false
	}
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		if purpose := strings.ToLower(r.Header.Get(name)); strings.Contains(purpose, "prefetch") || strings.Contains(purpose, "preview") {
			return false
		}
	}
	if dest := r.Header.Get("Sec-Fetch-Dest"); dest != "" && dest != "document" {
		return false
	}
	return !machines.MatchString(r.UserAgent())
}
