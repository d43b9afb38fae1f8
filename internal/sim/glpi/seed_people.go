package glpi

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Names of staff. Some hold what breaks careless code.
var (
	firstNames = []string{
		"Élodie", "Jean-Luc", "Aïcha", "Tom", "Noémie", "Søren", "Łukasz", "Zoë", "Marc", "Inès", "Björn", "Katarzyna", "Rémi", "Amélie",
		"Jürgen", "Fatima", "Hugo", "Chloé", "Mateo", "Lena", "Yusuf", "Anna", "Pierre", "Siobhán", "Nguyễn", "Emma", "Oskar", "Léa",
		"Paul", "Mei",
	}
	lastNames = []string{
		"O'Brien", "Dupont", "D'Angelo", "Müller", "Lefèvre", "Nguyen", "García", "Kowalski", "Schmidt", "Moreau", "O'Neil & Sons",
		"Rossi", "Fischer", "Benali", "Petit", "Weber", "Ó Súilleabháin", "Roux", "Wagner", "Smith <contractor>", "Fontaine", "Becker",
		"L'Hôte", "Hansen", "Chevalier", "Koch", "Nowak", "Mercier", "Richter", "Blanc", "Da Silva", "Girard", "Øster", "Klein", "Faure",
	}
	categories = []string{"Employee", "Contractor", "Trainee"}
	titles     = []string{"Sales representative", "Service technician", "Driver", "Nurse", "Warehouse worker", "Team lead"}
)

// ownerAt is somebody at a site to give a device to: mostly somebody new.
func (g *seeder) ownerAt(at *site) *Row {
	if at.owner == nil || !g.chance(12) {
		at.owner = g.person(at)
		g.guest(at.owner, at.entity)
	}
	return at.owner
}

// person hires somebody.
func (g *seeder) person(at *site) *Row {
	n := g.people
	g.people++
	first, last := firstNames[n%len(firstNames)], lastNames[(n+n/len(firstNames))%len(lastNames)]
	login := fmt.Sprintf("%s.%s", plainName(first), plainName(last))
	if round := n / (len(firstNames) * len(lastNames)); round > 0 || g.tx.First("User", "name", login+"@"+at.domain) != nil {
		login = fmt.Sprintf("%s%d", login, n)
	}
	date := g.ago(700 * 24 * time.Hour)
	user := g.tx.Insert("User", map[string]any{
		"name": login + "@" + at.domain, "firstname": first, "realname": cleaner.Replace(last), "phone": g.phone(at),
		"entities_id": at.entity, "usertitles_id": g.word("UserTitle", pick(g, titles)), "language": "en_GB",
		"usercategories_id": g.word("UserCategory", categories[n%7/3]), "locations_id": at.location, "registration_number": fmt.Sprintf("%05d", 100+n),
		"date_creation": date, "date_mod": date,
	})
	if g.chance(30) {
		user.Set("mobile", "06"+fmt.Sprintf("%08d", g.rand.IntN(100_000_000))) // which JSON shows without its zero
	}
	g.email(user, login+"@"+at.domain)
	g.tx.Insert("Profile_User", map[string]any{
		"users_id": user.ID(), "profiles_id": selfService, "entities_id": at.entity, "is_recursive": 0,
	})
	return user
}

// guest is what an invitation makes of a person.
func (g *seeder) guest(user *Row, entity int) {
	g.tx.Insert("Profile_User", map[string]any{
		"users_id": user.ID(), "profiles_id": g.tx.guestProfile(), "entities_id": entity, "is_recursive": 0,
	})
	user.Set("api_token", g.tx.Token(40))
	user.Set("api_token_date", g.tx.Date())
	used := g.invitation(user, entity, "done")
	used.Set("expiration_date", "0000-00-00 00:00:00")
}

func (g *seeder) phone(at *site) string {
	prefix := "+33 6"
	if at.domain == "globex.test" {
		prefix = "+49 151"
	}
	return fmt.Sprintf("%s %02d %02d %02d %02d", prefix, g.rand.IntN(100), g.rand.IntN(100), g.rand.IntN(100), g.rand.IntN(100))
}

// unaccented are letters without their marks, as logins want them.
var unaccented = strings.NewReplacer(
	"é", "e", "è", "e", "ë", "e", "á", "a", "à", "a", "ã", "a", "ï", "i", "í", "i", "ó", "o", "ô", "o", "ö", "o", "ø", "o",
	"ü", "u", "ú", "u", "ễ", "e", "ł", "l", "ñ", "n", "ç", "c",
)

// plainName is a name as part of a login.
func plainName(name string) string {
	name, _, _ = strings.Cut(name, "<")
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) && r < unicode.MaxASCII {
			return r
		}
		return -1
	}, unaccented.Replace(strings.ToLower(name)))
}

// invitation is one as the plugin makes it, without its mail and QR code.
func (g *seeder) invitation(user *Row, entity int, status string) *Row {
	return g.tx.Insert("PluginFlyvemdmInvitation", map[string]any{
		"name": "Invitation", "invitation_token": g.tx.Hex(64), "users_id": user.ID(), "entities_id": entity, "status": status,
		"expiration_date": g.tx.Now().AddDate(0, 0, 7).Format(dateLayout),
	})
}

// invitations are those that no device has used: pending, sent or not, expired, and called back.
func (g *seeder) invitations() {
	for i, at := range g.sites {
		for _, state := range []string{"pending", "sent", "expired", "called back", "failed"} {
			user := g.person(at)
			g.tx.Insert("Profile_User", map[string]any{
				"users_id": user.ID(), "profiles_id": g.tx.guestProfile(), "entities_id": at.entity, "is_recursive": 0,
			})
			row := g.invitation(user, at.entity, "pending")
			if err := inviteUser(g.tx, row, nil); err != nil {
				g.must(nil, err)
			}
			g.settle(row, state, i)
		}
	}
}

func (g *seeder) settle(invitation *Row, state string, i int) {
	mail := g.tx.First("QueuedNotification", "items_id", invitation.ID())
	if state != "pending" {
		mail.Set("sent_time", g.tx.Date())
	}
	switch state {
	case "expired":
		invitation.Set("expiration_date", g.tx.Now().AddDate(0, 0, -1-i).Format(dateLayout))
	case "called back":
		invitation.Set("status", "done")
	case "failed":
		for _, event := range []string{"Wrong email address", "The agent version is too low"} {
			g.tx.Insert("PluginFlyvemdmInvitationlog", map[string]any{
				"plugin_flyvemdm_invitations_id": invitation.ID(), "date_creation": g.ago(24 * time.Hour), "event": event,
			})
		}
	}
}
