package glpi

import "testing"

func TestSQLString(t *testing.T) {
	for text, want := range map[string]string{
		"plain": "plain", `O\'Brien`: "O'Brien", `O''Brien`: "O'Brien", `a\\b`: `a\b`, `50\%`: `50\%`, `say "hi"`: `say "hi"`, `a\"b`: `a"b`,
	} {
		if got, ok := sqlString(text); !ok || got != want {
			t.Errorf("%s is %q, %v; want %q", text, got, ok, want)
		}
	}
	for _, text := range []string{"O'Brien", "'", `ends with \`, `a\\' OR 1`} {
		if got, ok := sqlString(text); ok {
			t.Errorf("%s is %q, want a broken query", text, got)
		}
	}
}
