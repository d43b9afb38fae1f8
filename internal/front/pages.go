package front

import (
	"embed"
	"io/fs"
	"net/http"
	"strings"
)

//go:embed graphiql/index.html graphiql/start.js graphiql/vendor
var graphiqlFiles embed.FS

// Content security policies. Nothing may frame us, nowhere is there an inline script. GraphiQL and its editor
// set styles from scripts, and carry their fonts in the style sheet.
const (
	bareCSP     = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
	graphiqlCSP = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; " +
		"img-src 'self' data:; font-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
	dashboardCSP = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; " +
		"img-src 'self' data: blob:; font-src 'self' data:; manifest-src 'self'; worker-src 'self'; " +
		"frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)

// welcome is at / where no dashboard is.
const welcome = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Fleetgate</title>
<h1>Fleetgate</h1>
<p>The GraphQL API is at <code>/graphql</code>. Try it in <a href="/graphiql">GraphiQL</a>.</p>
</html>
`

// graphiql serves the query editor. All of it is embedded: it works without the internet.
func graphiql() http.Handler {
	files, err := fs.Sub(graphiqlFiles, "graphiql")
	if err != nil {
		panic(err) // the folder is part of the binary
	}
	assets := http.StripPrefix("/graphiql/", http.FileServerFS(files))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", graphiqlCSP)
		switch name := strings.TrimPrefix(r.URL.Path, "/graphiql"); {
		case name == "" || name == "/" || name == "/index.html":
			w.Header().Set("Cache-Control", "no-cache")
			http.ServeFileFS(w, r, files, "index.html")
		case strings.HasSuffix(name, "/"): // a folder
			http.NotFound(w, r)
		default:
			w.Header().Set("Cache-Control", "public, max-age=3600")
			assets.ServeHTTP(w, r)
		}
	})
}

// dashboard serves the pages at /.
func dashboard(files fs.FS) http.Handler {
	if files == nil {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/" {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write([]byte(welcome))
		})
	}
	server := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" && strings.HasSuffix(r.URL.Path, "/") { // no listings of folders
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Security-Policy", dashboardCSP)
		w.Header().Set("Cache-Control", "no-cache")
		server.ServeHTTP(w, r)
	})
}

// onlyReads refuses what is no GET or HEAD. (The root can't say so in its pattern: /graphql takes any method.)
func onlyReads(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}
