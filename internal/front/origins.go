package front

import (
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/rs/cors"
)

// origins are the web origins whose pages may call the gateway. The same list serves CORS, the requests
// themselves and WebSockets, which know no CORS.
type origins struct {
	any     bool
	allowed map[string]bool
}

func parseOrigins(list []string) (origins, error) {
	o := origins{allowed: map[string]bool{}}
	for _, origin := range list {
		if origin == "*" {
			o.any = true
			continue
		}
		parsed, err := url.Parse(strings.TrimSuffix(origin, "/"))
		if err != nil || parsed.Host == "" || parsed.Path != "" || (parsed.Scheme != "http" && parsed.Scheme != "https") {
			return origins{}, fmt.Errorf("%q is not an origin like https://fleet.example", origin)
		}
		o.allowed[strings.ToLower(parsed.Scheme+"://"+parsed.Host)] = true
	}
	return o, nil
}

// listed tells whether the pages of another origin may call.
func (o origins) listed(origin string) bool { return o.any || o.allowed[strings.ToLower(origin)] }

// allow tells whether a request may come in: from a listed origin, from the gateway's own pages, or from no
// page at all. The scheme of the gateway's own origin is not compared: a proxy may add the TLS.
func (o origins) allow(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || o.listed(origin) {
		return true
	}
	parsed, err := url.Parse(origin)
	return err == nil && parsed.Host != "" && strings.EqualFold(parsed.Host, r.Host)
}

func foreignOrigin() *refusal {
	return refuse(http.StatusForbidden, "pages of this origin may not call the gateway: see allowed-origins")
}

// only refuses the pages of other origins.
func (o origins) only(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !o.allow(r) {
			foreignOrigin().write(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// cors lets the pages of the listed origins read answers. It asks listed, since the library takes an empty
// list for "everybody".
func (o origins) cors(next http.Handler) http.Handler {
	return cors.New(cors.Options{
		AllowOriginFunc: o.listed,
		AllowedMethods:  []string{http.MethodGet, http.MethodHead, http.MethodPost},
		AllowedHeaders: append([]string{"Accept", "Content-Type", "Range", "If-Range", "If-None-Match", "Last-Event-ID", "Idempotency-Key",
			"Apollographql-Client-Name", "Apollographql-Client-Version"}, preflightHeaders...),
		ExposedHeaders: []string{"Retry-After", requestIDHeader, cacheHeader, "Accept-Ranges", "Content-Disposition", "Content-Range", "Etag"},
		MaxAge:         600,
	}).Handler(next)
}

// preflightHeaders can't be set by a page of another origin without the browser asking us first.
var preflightHeaders = []string{"Authorization", "Session-Token", "Apollo-Require-Preflight", "X-Apollo-Operation-Name"}

// deliberate refuses what a browser sends across origins without asking first (forms, images, links), whose
// answers no page reads but whose effects are real. It is Apollo's rule, and lets pass what is no browser:
// those send neither Origin nor Sec-Fetch-Site.
func deliberate(r *http.Request) bool {
	if r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Site") == "" {
		return true
	}
	for _, name := range preflightHeaders {
		if r.Header.Get(name) != "" {
			return true
		}
	}
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return false
	}
	switch mediaType {
	case "text/plain", "application/x-www-form-urlencoded", "multipart/form-data":
		return false
	}
	return true
}
