package glpi

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	sessionLife  = 1440 * time.Second // PHP's session.gc_maxlifetime
	maxURL       = 8 << 10            // nginx's large_client_header_buffers
	maxBody      = 64 << 20           // PHP's post_max_size, unless Options say otherwise
	maxInputVars = 1000               // PHP's max_input_vars, which Accept-Range shows
)

// Server is the simulated GLPI. It is an http.Handler and safe for concurrent use.
type Server struct {
	opts Options

	mu         sync.Mutex // guards all below
	schema     schema
	sessions   map[string]*session
	rights     map[int]map[string]Rights // by profile
	rightNames []string                  // in the order in which they were installed
	rightKnown map[string]bool
	sons       map[int][]int // GLPI's sons_cache: entities below one, in the order in which it learned of them
	files      map[string][]byte
	rand       *rand.Rand
	unseen     map[int]func(*Tx) // what makes the parts of a seeded computer, by its id, until somebody looks
	outbox     []func(Broker)
	flushing   bool
}

// New is a GLPI as freshly installed: the root entity, the users glpi, post-only, tech and normal with their own names as
// passwords, the profiles 1 to 8, and the Flyve MDM plugin with its two profiles, policies and default fleet.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Location == nil {
		o.Location = time.UTC
	}
	if o.PollInterval <= 0 {
		o.PollInterval = 200 * time.Millisecond
	}
	if o.PollTimeout <= 0 {
		o.PollTimeout = 10 * time.Second
	}
	if o.PostMaxSize <= 0 {
		o.PostMaxSize = maxBody
	}
	if o.Version == "" {
		o.Version = "9.3.1"
	}
	if o.BrokerHost == "" {
		o.BrokerHost = "127.0.0.1"
	}
	if o.BrokerPort == 0 {
		o.BrokerPort = 1883
	}
	types := installedTypes(o)
	s := &Server{
		opts: o, schema: newSchema(types), sessions: map[string]*session{}, rights: map[int]map[string]Rights{},
		rightKnown: map[string]bool{}, sons: map[int][]int{}, files: map[string][]byte{}, rand: o.source(), unseen: map[int]func(*Tx){},
	}
	tx := s.begin(nil)
	defer tx.end()
	coreInstall(tx)
	if !o.NoFlyve {
		flyveInstall(tx)
	}
	if o.DemoPlugin {
		demoInstall(tx)
	}
	return s
}

// installedTypes is GLPI's itemtypes with those of the plugins that are there, which also hook into GLPI's.
func installedTypes(o Options) []*Itemtype {
	types := coreItemtypes()
	install := func(more []*Itemtype, hooks map[string]Hooks) {
		for _, t := range types {
			if h, ok := hooks[t.Name]; ok {
				t.Also = append(t.Also, h)
			}
		}
		types = append(types, more...)
	}
	if !o.NoFlyve {
		install(flyveItemtypes(), flyveHooks())
	}
	if o.DemoPlugin {
		install(demoItemtypes(), demoHooks())
	}
	return types
}

// Grant sets rights of a profile, for tests that want somebody to lack or to have one. Sessions that are open keep theirs.
func (s *Server) Grant(profile string, rights map[string]Rights) {
	tx := s.begin(nil)
	defer tx.end()
	if row := tx.First("Profile", "name", profile); row != nil {
		tx.SetRights(row.ID(), rights)
	}
}

// SetConfig sets a value of GLPI's configuration, as its administrator does on its pages: use_password_security of the
// context core, say.
func (s *Server) SetConfig(context, name, value string) {
	tx := s.begin(nil)
	defer tx.end()
	tx.SetConfig(context, name, value)
}

// HandleMQTT is what the plugin's daemon does with a device's message. Without Options.Daemon nothing listens, as in the
// real plugin, whose daemon ends at once.
func (s *Server) HandleMQTT(topic string, payload []byte) {
	if !s.opts.Daemon {
		return
	}
	tx := s.begin(nil)
	defer tx.end()
	flyveReceive(tx, topic, payload)
}

// fault is a call that fails: GLPI's pair of a code and a message.
type fault struct {
	status  int
	code    string
	message any  // text, null, or a list of results
	doc     bool // whether the message ends with a pointer to the documentation
}

func (f *fault) Error() string { return fmt.Sprintf("%d %s", f.status, f.code) }

func documented(status int, code, message string) *fault { return &fault{status, code, message, true} }
func plain(status int, code string, message any) *fault  { return &fault{status, code, message, false} }

var (
	errRight    = plain(http.StatusUnauthorized, "ERROR_RIGHT_MISSING", noPermission)
	errNotFound = plain(http.StatusNotFound, "ERROR_ITEM_NOT_FOUND", "Item not found")
	errBadArray = documented(http.StatusBadRequest, "ERROR_BAD_ARRAY", "input parameter must be an array of objects")
	errBad      = documented(http.StatusBadRequest, "ERROR", "Bad Request")
)

const noPermission = "You don't have permission to perform this action."

// reply is an answer that succeeded.
type reply struct {
	status int
	header http.Header
	body   any                                      // nil: an empty body
	serve  func(http.ResponseWriter, *http.Request) // writes the answer by itself
}

func ok(body any) *reply { return &reply{status: http.StatusOK, body: body} }

func (r *reply) set(key, value string) {
	if r.header == nil {
		r.header = http.Header{}
	}
	r.header[key] = []string{value}
}

// ServeHTTP answers GLPI's REST API under /, /apirest.php and /glpi/apirest.php.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if len(r.URL.RequestURI()) > maxURL {
		nginxError(w, http.StatusRequestURITooLong, "414 Request-URI Too Large")
		return
	}
	if strings.HasSuffix(strings.TrimSuffix(r.URL.Path, "/"), "/api") {
		nginxError(w, http.StatusNotFound, "404 Not Found") // there is no rewrite to the API
		return
	}
	h := w.Header()
	if r.Method == http.MethodOptions {
		h["Content-Type"] = []string{"text/html; charset=UTF-8"}
		h["Access-Control-Allow-Origin"] = []string{"*"}
		exposeHeaders(h)
		h["Access-Control-Allow-Methods"] = []string{"PUT, GET, POST, DELETE, OPTIONS"}
		h["Access-Control-Allow-Headers"] = []string{"origin, content-type, accept, session-token, authorization"}
		w.WriteHeader(http.StatusOK)
		return
	}
	if r.Method == http.MethodGet {
		exposeHeaders(h)
	}
	req, err := s.parse(w, r)
	if err != nil {
		s.fail(w, "", err)
		return
	}
	h["Pragma"] = []string{"no-cache"}
	answer, err := req.dispatch()
	if err != nil {
		s.fail(w, req.apiURL(), err)
		return
	}
	answer.write(w, r, s.encode)
}

func exposeHeaders(h http.Header) {
	h["Access-Control-Expose-Headers"] = []string{"content-type, content-range, accept-range"}
}

func noCache(h http.Header) {
	h["Content-Type"] = []string{"application/json; charset=UTF-8"}
	h["Cache-Control"] = []string{"no-store, no-cache, must-revalidate"}
	h["Expires"] = []string{"Mon, 26 Jul 1997 05:00:00 GMT"}
}

func (a *reply) write(w http.ResponseWriter, r *http.Request, encode func(any) []byte) {
	if a.serve != nil {
		a.serve(w, r)
		return
	}
	h := w.Header()
	noCache(h)
	for key, values := range a.header {
		h[key] = values
	}
	w.WriteHeader(a.status)
	if a.body != nil && r.Method != http.MethodHead {
		_, _ = w.Write(encode(a.body))
	}
}

// fail writes an error as GLPI does; a PHP fatal error is an empty 500.
func (s *Server) fail(w http.ResponseWriter, api string, err error) {
	h := w.Header()
	var f *fault
	if !errors.As(err, &f) {
		h["Content-Type"] = []string{"text/html; charset=UTF-8"}
		h["Expires"] = []string{"Thu, 19 Nov 1981 08:52:00 GMT"}
		h["Cache-Control"] = []string{"no-store, no-cache, must-revalidate"}
		h["Pragma"] = []string{"no-cache"}
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	f = s.ofVersion(f)
	message := f.message
	if text, ok := message.(string); ok && f.doc {
		message = fmt.Sprintf("%s; view documentation in your browser at %s/#%s", text, api, f.code)
	}
	noCache(h)
	w.WriteHeader(f.status)
	_, _ = w.Write(encode(List{f.code, message}))
}

func nginxError(w http.ResponseWriter, status int, title string) {
	w.Header()["Content-Type"] = []string{"text/html"}
	if status == http.StatusRequestURITooLong {
		w.Header()["Connection"] = []string{"close"}
	}
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<html>\r\n<head><title>%s</title></head>\r\n<body>\r\n<center><h1>%s</h1></center>\r\n<hr><center>nginx/1.18.0</center>\r\n</body>\r\n</html>\r\n", title, title)
}

// dispatch finds what a request is for. Named endpoints ignore the verb.
func (r *request) dispatch() (*reply, error) {
	name := ""
	if len(r.path) > 0 {
		name = r.path[0]
	}
	if name == "" {
		return documentation(), nil
	}
	if err := r.checkAccess(); err != nil {
		return nil, err
	}
	switch name {
	case "initSession":
		return r.initSession()
	case "lostPassword":
		return r.lostPassword()
	}
	if err := r.openSession(); err != nil {
		return nil, err
	}
	if name == "killSession" {
		return r.killSession()
	}
	tx := r.server.begin(r.session)
	defer tx.end()
	tx.ctx, tx.uploads, tx.address = r.http.Context(), r.uploads, r.address()
	r.tx = tx
	if delay := r.server.opts.ParseDelay; delay > 0 {
		tx.parseApplications(delay)
	}
	if endpoint, ok := endpoints[name]; ok {
		return endpoint(r)
	}
	return r.item(name)
}

var endpoints = map[string]func(*request) (*reply, error){
	"getMyProfiles":        (*request).getMyProfiles,
	"getActiveProfile":     (*request).getActiveProfile,
	"changeActiveProfile":  (*request).changeActiveProfile,
	"getMyEntities":        (*request).getMyEntities,
	"getActiveEntities":    (*request).getActiveEntities,
	"changeActiveEntities": (*request).changeActiveEntities,
	"getFullSession":       (*request).getFullSession,
	"getGlpiConfig":        (*request).getGlpiConfig,
	"getMultipleItems":     (*request).getMultipleItems,
	"listSearchOptions":    (*request).listSearchOptions,
	"search":               (*request).search,
}

// item dispatches /:itemtype, /:itemtype/:id and /:itemtype/:id/:sub by verb. An id that is no positive number makes a
// list of it, except for entity 0.
func (r *request) item(name string) (*reply, error) {
	code := "ERROR_RESOURCE_NOT_FOUND_NOR_COMMONDBTM"
	if len(r.path) > 2 {
		code = "ERROR_ITEMTYPE_NOT_FOUND_NOR_COMMONDBTM"
	}
	tab := r.server.schema.byName[name]
	if tab == nil {
		return nil, documented(http.StatusBadRequest, code, notDBClass(code))
	}
	id, isItem := r.id(tab)
	switch r.http.Method {
	case http.MethodGet, http.MethodHead:
		if !isItem {
			r.tx.furnishAll(tab)
			return r.list(tab, nil)
		}
		if len(r.path) > 2 {
			return r.subItems(tab, id, r.path[2])
		}
		return r.getItem(tab, id)
	case http.MethodPost:
		return r.create(tab)
	case http.MethodPut, http.MethodPatch:
		return r.update(tab, id, isItem)
	case http.MethodDelete:
		return r.remove(tab, id, isItem)
	}
	return nil, documented(http.StatusMethodNotAllowed, "ERROR_METHOD_NOT_ALLOWED", "Method Not Allowed")
}

func notDBClass(code string) string {
	if code == "ERROR_ITEMTYPE_NOT_FOUND_NOR_COMMONDBTM" {
		return "itemtype not found or not an instance of CommonDBTM"
	}
	return "resource not found or not an instance of CommonDBTM"
}

func (r *request) id(tab *table) (id int, isItem bool) {
	if len(r.path) < 2 {
		return 0, false
	}
	id, err := strconv.Atoi(r.path[1])
	return id, err == nil && (id > 0 || id == 0 && tab.typ.Name == "Entity")
}

func documentation() *reply {
	page := "<!DOCTYPE html>\n<html><head><title>GLPI REST API Documentation</title></head><body><h1>GLPI REST API: Documentation</h1></body></html>\n"
	return &reply{serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{"text/html; charset=UTF-8"}
		_, _ = w.Write([]byte(page))
	}}
}

// strip removes the leading segments that lead to the API: /glpi/apirest.php/X, /apirest.php/X and /X are the same.
func strip(path string) []string {
	segments := slices.DeleteFunc(strings.Split(path, "/"), func(s string) bool { return s == "" })
	for len(segments) > 0 && slices.Contains([]string{"glpi", "apirest.php", "api"}, segments[0]) {
		segments = segments[1:]
	}
	return segments
}
