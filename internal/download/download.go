package download

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"fleetgate/glpiproxy"
	"fleetgate/internal/signin"
)

// Routes are the handlers of both kinds by their patterns, for an http.ServeMux.
func Routes(desk *signin.Desk, log *slog.Logger) map[string]http.Handler {
	routes, places := map[string]http.Handler{}, &places{}
	for _, kind := range []Kind{Files, Applications} {
		routes["/"+string(kind)+"/{id}/content"] = &handler{kind, desk, log, places}
	}
	return routes
}

// handler serves the items of one kind.
type handler struct {
	kind   Kind
	desk   *signin.Desk
	log    *slog.Logger
	places *places
}

// ServeHTTP answers a GET or HEAD of an item's bytes.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "send a GET")
		return
	}
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil || id <= 0 || strconv.Itoa(id) != r.PathValue("id") {
		refuse(w, http.StatusNotFound, "not found")
		return
	}
	viewer, err := h.viewer(r, id)
	if err != nil {
		w.Header().Set("WWW-Authenticate", "Bearer")
		refuse(w, http.StatusUnauthorized, err.Error())
		return
	}
	scope, err := viewer.Session.Scope(r.Context())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	leave, ok := h.places.take(scope.UserID)
	if !ok {
		w.Header().Set("Retry-After", "10")
		refuse(w, http.StatusServiceUnavailable, "too many downloads at once: try again in a while")
		return
	}
	defer leave()
	content, err := h.open(r.Context(), viewer.Session, id)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.send(w, r, id, content)
}

// open finds the content behind an item.
func (h *handler) open(ctx context.Context, s *glpiproxy.Session, id int) (*glpiproxy.Download, error) {
	if h.kind == Applications {
		return glpiproxy.Open[glpiproxy.Application](ctx, s, id)
	}
	return glpiproxy.Open[glpiproxy.File](ctx, s, id)
}

// viewer is who asks: by a link's ticket, or else by the request's headers.
func (h *handler) viewer(r *http.Request, id int) (*signin.Viewer, error) {
	if ticket := r.URL.Query().Get("ticket"); ticket != "" {
		return signin.FromContext(h.desk.AdmitTicket(r.Context(), ticket, h.kind.path(id)))
	}
	return signin.FromContext(h.desk.Authenticate(r.Context(), r.Header))
}

// send streams the content. It is never shown in the page: whatever somebody uploaded must not run as ours.
func (h *handler) send(w http.ResponseWriter, r *http.Request, id int, content *glpiproxy.Download) {
	header := w.Header()
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Content-Disposition", attachment(content.Name))
	header.Set("Cache-Control", "private, no-cache")
	header.Set("ETag", fmt.Sprintf(`"%d-%x-%x"`, id, content.Size, content.ModifiedAt.Unix()))
	if strings.Contains(r.Header.Get("Range"), ",") { // of several ranges all of it, as a server may
		r.Header.Del("Range")
	}
	reading := &watched{Download: content}
	http.ServeContent(w, r, "", content.ModifiedAt, reading)
	if reading.failed != nil {
		h.log.WarnContext(r.Context(), "a download broke off", "path", r.URL.Path, "error", reading.failed)
		panic(http.ErrAbortHandler) // the client must not take what it has for all
	}
}

// attachment has a browser save the bytes under a name.
func attachment(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' {
			return '_'
		}
		return r
	}, name)
	if value := mime.FormatMediaType("attachment", map[string]string{"filename": name}); value != "" {
		return value
	}
	return "attachment"
}

// fail answers for GLPI. What is not there and what another company owns look alike.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	switch glpiproxy.KindOf(err) {
	case glpiproxy.Unauthenticated:
		w.Header().Set("WWW-Authenticate", "Bearer")
		refuse(w, http.StatusUnauthorized, signin.ErrEnded.Error())
	case glpiproxy.NotFound, glpiproxy.Forbidden:
		refuse(w, http.StatusNotFound, "not found")
	case glpiproxy.Timeout:
		refuse(w, http.StatusGatewayTimeout, "GLPI did not answer in time")
	case glpiproxy.Unavailable:
		refuse(w, http.StatusServiceUnavailable, "GLPI can't be reached")
	case glpiproxy.Canceled:
		panic(http.ErrAbortHandler) // nobody is there to read an answer
	default:
		h.log.WarnContext(r.Context(), "GLPI could not give a file", "path", r.URL.Path, "error", err)
		refuse(w, http.StatusBadGateway, "GLPI gave an answer that makes no sense")
	}
}

func refuse(w http.ResponseWriter, status int, message string) { http.Error(w, message, status) }

// watched remembers what went wrong while it was read: http.ServeContent does not tell.
type watched struct {
	*glpiproxy.Download
	failed error
}

// Read reads on.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Download.Read(p)
	if err != nil && err != io.EOF {
		w.failed = err
	}
	return n, err
}
