package glpi

import "strings"

// sqlString is what MySQL makes of a text that GLPI puts between single quotes as it came: GLPI 9.3 escapes nothing. A
// backslash escapes what follows, two apostrophes are one, and a single apostrophe ends the string early, which
// makes nonsense of the query: ok is false.
func sqlString(text string) (value string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 == len(text):
			return "", false // it escapes the closing quote
		case c == '\\':
			i++
			if text[i] == '%' || text[i] == '_' {
				b.WriteByte('\\') // kept for LIKE
			}
			b.WriteByte(text[i])
		case c == '\'' && i+1 < len(text) && text[i+1] == '\'':
			i++
			b.WriteByte(c)
		case c == '\'':
			return "", false
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), true
}
