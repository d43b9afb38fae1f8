package front

import (
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"fleetgate/internal/upload"
)

// overMultipart carries operations with a file, as the GraphQL multipart request specification has it
// (https://github.com/jaydenseric/graphql-multipart-request-spec): a part "operations", a part "map" that tells the
// variable for each file, then the files. gqlgen's own transport holds files in memory or on disk before it
// executes; this one executes while the file still comes in. So there can be only one file in a request: nobody
// could read the second before the first.
type overMultipart struct {
	overHTTP
	maxFile       int64
	preface, rest time.Duration // for what comes before the file, and for what comes after the answer
}

var _ graphql.Transport = overMultipart{}

const (
	longestMap    = 4 << 10  // bytes of the part "map"
	longestFrame  = 64 << 10 // bytes of boundaries and of the parts' headers
	longestUnread = 64 << 20 // bytes that are still taken from a client when its answer is out
)

// Supports takes posted forms.
func (overMultipart) Supports(r *http.Request) bool {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && r.Method == http.MethodPost && mediaType == "multipart/form-data"
}

// Do answers one request. The answer goes out as soon as there is one, though the client may still be sending what
// nobody wants to read; then that is taken, within bounds, since many clients read no answer before they have sent all.
func (t overMultipart) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	control := http.NewResponseController(w)
	_ = control.EnableFullDuplex() // else the server reads before it answers; only a test's recorder can't
	body := newSlowBody(r.Body, control)
	body.allow(t.preface, t.maxBody+longestMap+longestFrame) // parts' headers are held as a whole
	r.Body = http.MaxBytesReader(w, body, t.maxBody+longestMap+t.maxFile+longestFrame)
	start := graphql.Now()
	if params, refused := t.parameters(r); refused != nil {
		refused.write(w, r)
	} else {
		body.allow(longestTransfer, t.maxFile+longestFrame)
		t.execute(w, r, exec, params, start, nil)
	}
	_ = control.Flush()
	body.allow(t.rest, longestUnread)
	_, _ = io.CopyN(io.Discard, body, longestUnread)
}

// parameters reads up to the beginning of the file.
func (t overMultipart) parameters(r *http.Request) (*graphql.RawParams, *refusal) {
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "the form has no boundary")
	}
	operations, refused := formField(parts, "operations", t.maxBody)
	if refused != nil {
		return nil, refused
	}
	params, refused := fromJSON(operations)
	if refused != nil {
		return nil, refused
	}
	text, refused := formField(parts, "map", longestMap)
	if refused != nil {
		return nil, refused
	}
	key, path, refused := onlyFile(text)
	if refused != nil || key == "" {
		return params, refused
	}
	file, refused := t.file(parts, key, r.ContentLength)
	if refused != nil {
		return nil, refused
	}
	return params, place(params.Variables, path, file)
}

// formField reads a part that is no file and must come next.
func formField(parts *multipart.Reader, name string, limit int64) ([]byte, *refusal) {
	part, err := parts.NextPart()
	if err != nil || part.FormName() != name {
		return nil, refuse(http.StatusBadRequest, "the form must have the parts operations, map and the file, in this order: "+name+" is missing")
	}
	text, err := io.ReadAll(io.LimitReader(part, limit+1))
	switch {
	case err != nil:
		return nil, refuse(http.StatusBadRequest, "the part "+name+" can't be read")
	case int64(len(text)) > limit:
		return nil, refuse(http.StatusRequestEntityTooLarge, "the part "+name+" is too large")
	}
	return text, nil
}

// onlyFile is the part that holds the file and the place of its variable, as the part "map" tells them: "" for a
// request without a file.
func onlyFile(text []byte) (key, path string, refused *refusal) {
	var paths map[string][]string
	if json.Unmarshal(text, &paths) != nil {
		return "", "", refuse(http.StatusBadRequest, `the part map is not JSON like {"0": ["variables.input.file"]}`)
	}
	if len(paths) > 1 {
		return "", "", refuse(http.StatusBadRequest, "one file a request: files are passed on while they come in")
	}
	for key, places := range paths {
		if len(places) != 1 || key == "" {
			return "", "", refuse(http.StatusBadRequest, "the part map must name one variable for the file")
		}
		return key, places[0], nil
	}
	return "", "", nil
}

// file begins to read the file, which must come next. What the request says of its own length may tell already that
// it is too large: then nobody has to read it to find out.
func (t overMultipart) file(parts *multipart.Reader, key string, length int64) (upload.File, *refusal) {
	part, err := parts.NextPart()
	if err != nil || part.FormName() != key {
		return upload.File{}, refuse(http.StatusBadRequest, "the part "+strconv.Quote(key)+" with the file must follow the part map")
	}
	var from io.Reader = part
	if length > t.maxBody+longestMap+t.maxFile+longestFrame {
		from = failing{&upload.TooLargeError{Limit: t.maxFile}}
	}
	// Not part.FileName: it hides the folders that a name must not have.
	_, disposition, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if err != nil {
		return upload.File{}, refuse(http.StatusBadRequest, "the file's Content-Disposition can't be read")
	}
	return upload.New(disposition["filename"], part.Header.Get("Content-Type"), from, t.maxFile), nil
}

// failing is a file that is not worth reading.
type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

// place puts the file among the variables, where null keeps its place.
func place(variables map[string]any, path string, file upload.File) *refusal {
	wrong := refuse(http.StatusBadRequest, "the map's path must lead to null among the variables: "+strconv.Quote(path))
	steps := strings.Split(path, ".")
	if len(path) > longestMap || len(steps) < 2 || steps[0] != "variables" {
		return wrong
	}
	var at any = variables
	for i, step := range steps[1:] {
		last := i == len(steps)-2
		switch within := at.(type) {
		case map[string]any:
			value, known := within[step]
			if last && known && value == nil {
				within[step] = file
				return nil
			}
			at = value
		case []any:
			n, err := strconv.Atoi(step)
			if err != nil || n < 0 || n >= len(within) {
				return wrong
			}
			if last && within[n] == nil {
				within[n] = file
				return nil
			}
			at = within[n]
		default:
			return wrong
		}
	}
	return wrong
}
