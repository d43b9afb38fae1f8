package glpi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// request is one call: its path below the API, and its parameters from query, body and headers merged as GLPI does.
type request struct {
	server  *Server
	http    *http.Request
	path    []string
	params  map[string]any // text, bool, nil, json.Number, map[string]any or []any
	uploads []Upload
	parts   []part
	session *session
	tx      *Tx
}

func (s *Server) parse(w http.ResponseWriter, r *http.Request) (*request, error) {
	req := &request{server: s, http: r, path: strip(r.URL.Path), params: parseQuery(r.URL.RawQuery)}
	for key, v := range req.params {
		if v == "true" || v == "false" {
			req.params[key] = v == "true"
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.opts.PostMaxSize))
	if err != nil {
		return nil, plain(http.StatusBadRequest, "ERROR_UPLOAD_FILE_TOO_BIG_POST_MAX_SIZE", "The file seems too big")
	}
	if err := req.parseBody(body); err != nil {
		return nil, err
	}
	req.parseHeaders()
	return req, nil
}

// parseBody reads JSON only where the content type says so: a body without one is not looked at.
func (r *request) parseBody(body []byte) error {
	kind := r.http.Header.Get("Content-Type")
	switch {
	case r.http.Method == http.MethodGet && len(body) > 0 && (kind == "" || strings.Contains(kind, "application/json")):
		return documented(http.StatusBadRequest, "ERROR_JSON_PAYLOAD_FORBIDDEN", "GET Request should not have json payload (http body)")
	case strings.Contains(kind, "application/json"):
		if len(body) == 0 {
			return nil
		}
		fields, ok := decodeObject(body)
		if !ok {
			return plain(http.StatusBadRequest, "ERROR_JSON_PAYLOAD_INVALID", "JSON payload seems not valid")
		}
		for key, v := range fields {
			r.params[key] = v
		}
	case strings.HasPrefix(kind, "multipart/form-data"):
		if r.http.Method != http.MethodPost {
			return documented(http.StatusBadRequest, "ERROR_UPLOAD_FILE_TOO_BIG_POST_MAX_SIZE", "The file seems too big")
		}
		return r.parseMultipart(kind, body)
	}
	return nil
}

// decodeObject decodes a JSON body to its fields. What PHP holds for false, like [] or 0, is no payload.
func decodeObject(body []byte) (map[string]any, bool) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil || d.More() {
		return nil, false
	}
	switch v := v.(type) {
	case map[string]any:
		return v, true
	case []any:
		fields := map[string]any{}
		for i, e := range v {
			fields[strconv.Itoa(i)] = e
		}
		return fields, len(v) > 0
	}
	return nil, false
}

func (r *request) parseMultipart(kind string, body []byte) error {
	_, params, err := mime.ParseMediaType(kind)
	if err != nil {
		return plain(http.StatusBadRequest, "ERROR_JSON_PAYLOAD_INVALID", "JSON payload seems not valid")
	}
	reader := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for {
		p, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			break // PHP keeps the parts that it could read
		}
		data, err := io.ReadAll(p)
		if err != nil {
			break
		}
		if name := partName(p); name == "uploadManifest" {
			if fields, ok := decodeObject(data); ok {
				for key, v := range fields {
					r.params[key] = v
				}
			}
		} else if file := p.FileName(); file != "" {
			r.addUpload(name, file, p.Header.Get("Content-Type"), data)
		} else {
			r.params[name] = string(data)
		}
	}
	r.prefixUploads()
	return nil
}

// partName reads a part's name even where a client wrote the content type into the same header line, as GLPI's own
// documentation does.
func partName(p *multipart.Part) string {
	if name := p.FormName(); name != "" {
		return name
	}
	_, rest, _ := strings.Cut(p.Header.Get("Content-Disposition"), `name="`)
	name, _, _ := strings.Cut(rest, `"`)
	return name
}

// parseHeaders lets credentials in headers win over those in query and body.
func (r *request) parseHeaders() {
	h := r.http.Header
	if scheme, rest, _ := strings.Cut(h.Get("Authorization"), " "); strings.EqualFold(scheme, "Basic") {
		if raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest)); err == nil {
			r.params["login"], r.params["password"], _ = cut(string(raw))
		}
	} else if strings.Contains(h.Get("Authorization"), "user_token") {
		words := strings.Fields(h.Get("Authorization"))
		if len(words) > 1 {
			r.params["user_token"] = words[1]
		}
	}
	if token, ok := header(h, "Session-Token"); ok {
		r.params["session_token"] = token
	}
	if token, ok := header(h, "App-Token"); ok {
		r.params["app_token"] = token
	}
	if strings.TrimSpace(h.Get("Accept")) == "application/octet-stream" {
		r.params["alt"] = "media"
	}
}

func cut(pair string) (string, string, bool) { return strings.Cut(pair, ":") }

func header(h http.Header, key string) (string, bool) {
	values := h.Values(key)
	if len(values) == 0 {
		return "", false
	}
	return values[0], true
}

// text is a parameter as text; "" when it is absent or no scalar.
func (r *request) text(key string) string { return asText(r.params[key]) }

// given tells whether a parameter is there at all.
func (r *request) given(key string) bool { _, ok := r.params[key]; return ok }

// flag is a boolean parameter in PHP's loose sense: present and not false, "", "0" or null.
func (r *request) flag(key string, otherwise bool) bool {
	v, ok := r.params[key]
	if !ok {
		return otherwise
	}
	return truthy(v)
}

func truthy(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case map[string]any:
		return len(v) > 0
	case []any:
		return len(v) > 0
	}
	text := asText(v)
	return text != "" && text != "0"
}

func asText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		if v {
			return "1"
		}
	}
	return ""
}

// elements is a parameter that is an array, in the order of its numeric keys.
func elements(v any) []any {
	switch v := v.(type) {
	case []any:
		return v
	case map[string]any:
		keys := make([]string, 0, len(v))
		for key := range v {
			keys = append(keys, key)
		}
		slices.SortFunc(keys, func(a, b string) int {
			if n := phpInt(a) - phpInt(b); n != 0 {
				return n
			}
			return strings.Compare(a, b)
		})
		list := make([]any, len(keys))
		for i, key := range keys {
			list[i] = v[key]
		}
		return list
	}
	return nil
}

// apiURL is the address of the API as the server gives it in links: from its configuration, else as it was called.
func (r *request) apiURL() string {
	if base := r.server.opts.BaseURL; base != "" {
		return base + "/apirest.php"
	}
	return "http://" + r.http.Host + "/glpi/apirest.php"
}

// parseQuery reads a query string as PHP does: a[0][b]=c makes nested arrays, a[]=c appends, and no more than
// max_input_vars are looked at.
func parseQuery(raw string) map[string]any {
	params := map[string]any{}
	for i, pair := range strings.Split(raw, "&") {
		if i >= maxInputVars {
			break
		}
		key, value, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(key)
		if err != nil || key == "" {
			continue
		}
		if text, err := url.QueryUnescape(value); err == nil {
			setNested(params, key, text)
		}
	}
	return params
}

func setNested(params map[string]any, key, value string) {
	name, rest, nested := strings.Cut(key, "[")
	at := params
	for nested {
		index, more, closed := strings.Cut(rest, "]")
		if !closed {
			break
		}
		child, ok := at[name].(map[string]any)
		if !ok {
			child = map[string]any{}
			at[name] = child
		}
		if index == "" {
			index = strconv.Itoa(len(child))
		}
		at, name = child, index
		rest, nested = strings.CutPrefix(more, "[")
	}
	at[name] = value
}
