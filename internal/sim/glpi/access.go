package glpi

import (
	"fmt"
	"net"
	"net/http"
	"strings"
)

// SetFault breaks the API as a whole, or mends it, while the server runs.
func (s *Server) SetFault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opts.Fault = f
}

func (s *Server) fault() Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opts.Fault
}

// checkAccess is what GLPI checks before it looks at what a call wants: whether the API is on, the caller's address among
// its clients', and their token the right one.
func (r *request) checkAccess() error {
	fault := r.server.fault()
	switch address := r.address(); {
	case fault == APIDisabled:
		return plain(http.StatusBadRequest, "ERROR", "API disabled")
	case fault == AddressRefused || net.ParseIP(address) == nil:
		message := fmt.Sprintf("There isn't an active API client matching your IP address in the configuration (%s)", address)
		return plain(http.StatusBadRequest, "ERROR_NOT_ALLOWED_IP", message)
	}
	return r.checkAppToken()
}

// address is where a call came from, as GLPI believes: X-Forwarded-For whole where there is one, so that a list of several
// is no address at all.
func (r *request) address() string {
	if forwarded := r.http.Header.Get("X-Forwarded-For"); forwarded != "" {
		return forwarded
	}
	host, _, err := net.SplitHostPort(r.http.RemoteAddr)
	if err != nil {
		return r.http.RemoteAddr
	}
	return host
}

// since tells whether the server is of a version of GLPI or a later one: since(9, 5).
func (s *Server) since(major, minor int) bool {
	text, rest, _ := strings.Cut(s.opts.Version, ".")
	own := phpInt(text)
	return own > major || own == major && phpInt(rest) >= minor
}

// encode is how the server's version writes JSON: since 10.0 what the database holds stays text.
func (s *Server) encode(v any) []byte {
	if s.since(10, 0) {
		return encodeTexts(v)
	}
	return encode(v)
}

// empty is the answer of calls that have nothing to say: nothing at all, and true since 10.0.
func (r *request) empty() *reply {
	if r.server.since(10, 0) {
		return ok(true)
	}
	return ok(nil)
}

// ofVersion is a fault as the server's version answers it: since 9.5 a missing right is 403.
func (s *Server) ofVersion(f *fault) *fault {
	if f.code == "ERROR_RIGHT_MISSING" && s.since(9, 5) {
		return plain(http.StatusForbidden, f.code, f.message)
	}
	return f
}
