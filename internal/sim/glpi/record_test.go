package glpi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// exchange is one recorded request with its answer.
type exchange struct {
	file, name string
	method     string
	target     string // path and query as sent
	header     map[string]string
	body       []byte
	status     int
	answer     map[string]string // recorded headers
	allHeaders bool              // the record holds every header, not a choice
	want       node
	hasBody    bool
}

// node is a JSON value with the order of keys kept.
type node struct {
	kind string // object, array, string, number, bool, null
	keys []string
	kids []node
	text string
}

func parseNode(d *json.Decoder) (node, error) {
	t, err := d.Token()
	if err != nil {
		return node{}, err
	}
	switch t := t.(type) {
	case json.Delim:
		n := node{kind: "array"}
		if t == '{' {
			n.kind = "object"
		}
		for d.More() {
			if n.kind == "object" {
				key, err := d.Token()
				if err != nil {
					return n, err
				}
				n.keys = append(n.keys, key.(string))
			}
			kid, err := parseNode(d)
			if err != nil {
				return n, err
			}
			n.kids = append(n.kids, kid)
		}
		_, err = d.Token()
		return n, err
	case string:
		return node{kind: "string", text: t}, nil
	case json.Number:
		return node{kind: "number", text: t.String()}, nil
	case bool:
		return node{kind: "bool", text: strconv.FormatBool(t)}, nil
	}
	return node{kind: "null"}, nil
}

func nodeOf(raw []byte) (node, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return parseNode(d)
}

func (n node) get(key string) (node, bool) {
	if i := slices.Index(n.keys, key); i >= 0 {
		return n.kids[i], true
	}
	return node{}, false
}

func (n node) str(key string) string { v, _ := n.get(key); return v.text }

// readRun reads the exchanges of a run in order.
func readRun(t *testing.T, dir string) []exchange {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata/transcripts", dir, "[0-9]*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts in %q: %v", dir, err)
	}
	sort.Strings(files)
	run := make([]exchange, 0, len(files))
	for _, file := range files {
		e, err := readExchange(file)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		run = append(run, e)
	}
	return run
}

func readExchange(file string) (exchange, error) {
	var raw struct {
		Request struct {
			Method, Path string
			Query        json.RawMessage
			Headers      map[string]string
			Body         json.RawMessage
		}
		Response struct {
			Status  int
			Headers json.RawMessage
			Body    json.RawMessage
			BodyRaw *string `json:"body_raw"`
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return exchange{}, err
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return exchange{}, err
	}
	e := exchange{
		file: strings.TrimSuffix(filepath.Base(file), ".json"), method: raw.Request.Method, header: raw.Request.Headers,
		status: raw.Response.Status, answer: map[string]string{}, body: rawBody(raw.Request.Body),
	}
	_, e.name, _ = strings.Cut(e.file, "-")
	e.target = raw.Request.Path
	if q := rawQuery(raw.Request.Query); q != "" {
		e.target += "?" + q
	}
	var pairs [][2]string
	if json.Unmarshal(raw.Response.Headers, &pairs) == nil {
		e.allHeaders = true
		for _, p := range pairs {
			e.answer[http.CanonicalHeaderKey(p[0])] = p[1]
		}
	} else {
		var chosen map[string]string
		if err := json.Unmarshal(raw.Response.Headers, &chosen); err != nil {
			return e, err
		}
		for k, v := range chosen {
			e.answer[http.CanonicalHeaderKey(k)] = v
		}
	}
	if raw.Response.BodyRaw != nil || string(raw.Response.Body) == "null" || len(raw.Response.Body) == 0 || string(raw.Response.Body) == `""` {
		return e, nil
	}
	raw.Response.Body = bytes.TrimSpace(raw.Response.Body)
	if strings.HasPrefix(strings.Join(strings.Fields(string(raw.Response.Body[:min(len(raw.Response.Body), 40)])), ""), `{"base64"`) {
		return e, nil // an image
	}
	if strings.Contains(string(raw.Response.Body[:min(len(raw.Response.Body), 40)]), `"__raw__"`) {
		return e, nil
	}
	e.hasBody = true
	e.want, err = nodeOf(raw.Response.Body)
	return e, err
}

func rawBody(raw json.RawMessage) []byte {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []byte(text)
	}
	var wrapped struct {
		Raw *string `json:"__raw__"`
	}
	if json.Unmarshal(raw, &wrapped) == nil && wrapped.Raw != nil {
		return []byte(*wrapped.Raw)
	}
	if string(raw) == "null" {
		return nil
	}
	return raw
}

func rawQuery(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return strings.ReplaceAll(text, " ", "+")
	}
	var fields map[string]any
	values := url.Values{}
	if json.Unmarshal(raw, &fields) == nil {
		for k, v := range fields {
			values.Set(k, fmt.Sprint(v))
		}
	}
	return values.Encode()
}

func (e exchange) number() int { n, _ := strconv.Atoi(e.file[:3]); return n }

// segments is the path below the API.
func (e exchange) segments() []string {
	p, _, _ := strings.Cut(e.target, "?")
	return strip(p)
}

// hop are headers of the transport, which nginx or Go's server adds.
var hop = []string{"Server", "Date", "Connection", "Transfer-Encoding", "Content-Length"}

func compareHeaders(e exchange, got http.Header) []string {
	var diffs []string
	canonical := http.Header{}
	for k, v := range got {
		canonical[http.CanonicalHeaderKey(k)] = v
	}
	for key, want := range e.answer {
		have := canonical.Get(key)
		switch {
		case slices.Contains(hop, key):
		case key == "Last-Modified" || key == "Etag" || key == "Content-Disposition":
			if have == "" {
				diffs = append(diffs, "header "+key+" is missing")
			}
		case have != want:
			diffs = append(diffs, fmt.Sprintf("header %s: %q, recorded %q", key, have, want))
		}
	}
	for key := range canonical {
		if _, recorded := e.answer[key]; e.allHeaders && !recorded && !slices.Contains(hop, key) {
			diffs = append(diffs, "header "+key+" was not recorded")
		}
	}
	sort.Strings(diffs)
	return diffs
}

// volatile are texts that no two runs share: moments, tokens, random names.
var volatile = regexp.MustCompile(`\d{4}-\d\d-\d\d|[0-9A-Za-z]{20}|[0-9a-f]{13}|docfile|docfilename|^flyvemdm-|^[0-9A-Z]{2,4}/`)

// unsteady are keys whose values depend on the moment or on chance, or that each server has its own of.
var unsteady = []string{"session", "prefix", "tag", "source", "cfg_glpi"}

// compareNodes compares kinds, keys in order, lengths and, unless they are volatile, values.
func compareNodes(path string, want, got node, values bool) []string {
	if want.kind != got.kind {
		return []string{fmt.Sprintf("%s is %s %.60q, recorded %s %.60q", path, got.kind, got.text, want.kind, want.text)}
	}
	switch want.kind {
	case "object":
		if !slices.Equal(want.keys, got.keys) {
			return []string{fmt.Sprintf("%s has the keys %v, recorded %v", path, got.keys, want.keys)}
		}
	case "array":
		if len(want.kids) != len(got.kids) {
			return []string{fmt.Sprintf("%s has %d elements, recorded %d", path, len(got.kids), len(want.kids))}
		}
	default:
		if values && want.text != got.text && !volatile.MatchString(want.text) {
			return []string{fmt.Sprintf("%s is %q, recorded %q", path, got.text, want.text)}
		}
		return nil
	}
	var diffs []string
	for i := range want.kids {
		key, sub := strconv.Itoa(i), values
		if want.kind == "object" {
			key = want.keys[i]
			sub = values && !slices.Contains(unsteady, key)
		}
		diffs = append(diffs, compareNodes(path+"."+key, want.kids[i], got.kids[i], sub)...)
		if len(diffs) > 4 {
			return diffs
		}
	}
	return diffs
}
