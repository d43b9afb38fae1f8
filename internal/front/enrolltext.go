package front

import (
	"strconv"
	"strings"
	"time"
)

// enrollText is the page of an invitation in one language.
type enrollText struct {
	Title, InvitedBy, ValidUntil, Message        string
	Install, InstallHow, InstallLink             string
	Open, OpenButton, OpenElse, OpenOther        string
	Scan, ScanHow, PIN, PINHow                   string
	Help, Name, Phone, Email, Site, Address      string
	Keep                                         string
	Refused, RefusedWhy, RefusedHow              string
	TooMany, TooManyWhy, Away, AwayWhy, LaterHow string
	date                                         func(time.Time) string
}

var enrollTexts = map[string]enrollText{
	"en": {
		Title: "Enrol your phone", InvitedBy: "You are invited by", ValidUntil: "This invitation is good until",
		Message: "A message for you",
		Install: "Install the app", InstallHow: "Flyve MDM has to be on the phone that you enrol.", InstallLink: "Get the app",
		Open: "Open it on this phone", OpenButton: "Enrol this phone", OpenElse: "Nothing happens? Install the app first, or try", OpenOther: "the other link",
		Scan: "Or scan this with the phone", ScanHow: "Are you at a computer? Install the app on the phone and scan this code.",
		PIN: "PIN", PINHow: "Where you are asked for a PIN: it goes with the e-mail address at which you were invited.",
		Help: "Help", Name: "Help desk", Phone: "Phone", Email: "E-mail", Site: "Website", Address: "Address",
		Keep:    "Keep this page to yourself: whoever has it can enrol in your name.",
		Refused: "This link leads nowhere", RefusedWhy: "It may have been mistyped, have ended, or have been used already.",
		RefusedHow: "Ask the help desk of your company for a new invitation, or open the latest message that you got.",
		TooMany:    "Too many tries", TooManyWhy: "Too many links that lead nowhere were opened from your network.",
		Away: "Not just now", AwayWhy: "The page can't be shown at the moment.", LaterHow: "Please try again in a while.",
		date: func(t time.Time) string { return t.Format("2 January 2006, 15:04 UTC") },
	},
	"fr": {
		Title: "Enrôler votre téléphone", InvitedBy: "Vous êtes invité par", ValidUntil: "Cette invitation est valable jusqu’au",
		Message: "Un message pour vous",
		Install: "Installer l’application", InstallHow: "Flyve MDM doit se trouver sur le téléphone à enrôler.", InstallLink: "Obtenir l’application",
		Open: "Ouvrir sur ce téléphone", OpenButton: "Enrôler ce téléphone", OpenElse: "Rien ne se passe ? Installez d’abord l’application, ou essayez", OpenOther: "l’autre lien",
		Scan: "Ou scanner ce code avec le téléphone", ScanHow: "Vous êtes sur un ordinateur ? Installez l’application sur le téléphone et scannez ce code.",
		PIN: "Code PIN", PINHow: "Si un code PIN vous est demandé : il va avec l’adresse à laquelle vous avez été invité.",
		Help: "Aide", Name: "Assistance", Phone: "Téléphone", Email: "E-mail", Site: "Site web", Address: "Adresse",
		Keep:    "Gardez cette page pour vous : qui la possède peut s’enrôler en votre nom.",
		Refused: "Ce lien ne mène nulle part", RefusedWhy: "Il est peut-être mal recopié, expiré ou déjà utilisé.",
		RefusedHow: "Demandez une nouvelle invitation à l’assistance de votre entreprise, ou ouvrez le dernier message reçu.",
		TooMany:    "Trop d’essais", TooManyWhy: "Trop de liens ne menant nulle part ont été ouverts depuis votre réseau.",
		Away: "Pas pour le moment", AwayWhy: "La page ne peut pas être affichée actuellement.", LaterHow: "Veuillez réessayer dans un moment.",
		date: func(t time.Time) string {
			return strconv.Itoa(t.Day()) + " " + frenchMonths[t.Month()-1] + t.Format(" 2006 à 15:04 UTC")
		},
	},
}

var frenchMonths = []string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"}

// longestLanguages bounds what is read of the header.
const longestLanguages = 500

// languageOf picks of the languages that the page has the one that a browser likes best (Accept-Language); English else.
func languageOf(header string) string {
	best, liked := "en", 0.0
	for part := range strings.SplitSeq(header[:min(len(header), longestLanguages)], ",") {
		tag, parameters, _ := strings.Cut(strings.TrimSpace(part), ";")
		language, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		weight := 1.0
		if q, given := strings.CutPrefix(strings.TrimSpace(parameters), "q="); given {
			weight, _ = strconv.ParseFloat(q, 64) // what is no number weighs nothing
		}
		if _, known := enrollTexts[language]; known && weight > liked {
			best, liked = language, weight
		}
	}
	return best
}
