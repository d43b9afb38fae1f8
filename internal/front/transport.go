package front

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"fleetgate/internal/graphqlsse"
)

// overHTTP carries queries and mutations over POST and queries over GET, as GraphQL over HTTP has it
// (https://graphql.github.io/graphql-over-http/draft/), and subscriptions where the client takes Server-Sent Events.
// gqlgen's own transports read without a limit, repeat the body in errors, and answer a request that was not executed
// with data.
type overHTTP struct {
	maxBody   int64
	events    *graphqlsse.Transport
	responses responses
}

var _ graphql.Transport = overHTTP{}

const (
	plainJSON    = "application/json"
	responseJSON = "application/graphql-response+json"
)

// Supports takes everything that is no WebSocket, to answer with what is wrong with it.
func (overHTTP) Supports(*http.Request) bool { return true }

// Do answers one request.
func (t overHTTP) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	start := graphql.Now()
	if r.Method == http.MethodGet {
		unkept(w.Header())
	}
	request, refused := t.read(w, r)
	if refused != nil {
		refused.write(w, r)
		return
	}
	wish := t.responses.wish(r, request)
	if wish.grant(w, r) {
		return
	}
	params, refused := parameters(r.Method, request)
	if refused != nil {
		refused.write(w, r)
		return
	}
	t.execute(w, r, exec, params, start, wish)
}

// execute answers an operation whose parameters were read since start. Its response is kept, where wish is not nil and
// others may have it.
func (t overHTTP) execute(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor, params *graphql.RawParams, start time.Time, wish *wish) {
	params.Headers = r.Header
	params.ReadTime = graphql.TraceTiming{Start: start, End: graphql.Now()}

	ctx := r.Context()
	operation, errs := exec.CreateOperationContext(ctx, params)
	if len(errs) > 0 {
		t.writeErrors(w, r, exec.DispatchError(graphql.WithOperationContext(ctx, operation), errs).Errors)
		return
	}
	events := takesEvents(r, operation.Operation.Operation)
	if refused := fits(r.Method, operation.Operation.Operation, events); refused != nil {
		refused.write(w, r)
		return
	}
	if events {
		t.events.Execute(w, r, exec, operation)
		return
	}
	ctx, taking := wish.begin(ctx, w, operation)
	defer taking.end()
	responses, ctx := exec.DispatchOperation(ctx, operation)
	response := responses(ctx)
	if response == nil {
		return // the client has gone
	}
	if response.Data == nil && len(response.Errors) > 0 {
		t.writeErrors(w, r, response.Errors)
		return
	}
	if !isMereData(response) {
		writeJSON(w, contentType(r), http.StatusOK, response)
		return
	}
	// Mere data goes out as it is: encoding/json would look through it once more.
	text := slices.Concat([]byte(`{"data":`), response.Data, []byte(`}`))
	taking.keep(text)
	writeBytes(w, contentType(r), http.StatusOK, text)
}

// writeErrors answers an operation that was not executed.
func (t overHTTP) writeErrors(w http.ResponseWriter, r *http.Request, errs gqlerror.List) {
	if takesEvents(r, ast.Query) {
		t.events.Refuse(w, errs)
		return
	}
	writeRefusal(w, r, requestErrorStatus(r), errs)
}

// takesEvents tells whether an answer goes out as Server-Sent Events: that of a subscription if the client takes them
// at all, any other if it names them before what else it takes.
func takesEvents(r *http.Request, operation ast.Operation) bool {
	for i, mediaType := range accepted(r) {
		if mediaType == graphqlsse.ContentType {
			return i == 0 || operation == ast.Subscription
		}
	}
	return false
}

func isMereData(r *graphql.Response) bool {
	return r.Data != nil && len(r.Errors) == 0 && len(r.Extensions) == 0 && r.HasNext == nil && r.Label == "" && r.Path == nil
}

// fits refuses mutations over GET, which links and images can send, and subscriptions where one answer is all that the
// client takes.
func fits(method string, operation ast.Operation, events bool) *refusal {
	switch {
	case operation == ast.Subscription && !events:
		return refuse(http.StatusBadRequest, "subscriptions go over a WebSocket (graphql-transport-ws or graphql-ws), "+
			"or with Accept: text/event-stream")
	case operation == ast.Mutation && method == http.MethodGet:
		return refuse(http.StatusMethodNotAllowed, "mutations go over POST").allowing(http.MethodPost)
	}
	return nil
}

// read gives the text that says what is asked for: a POST's body, a GET's query string.
func (t overHTTP) read(w http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	switch r.Method {
	case http.MethodGet:
		return []byte(r.URL.RawQuery), nil
	case http.MethodPost:
		return t.readBody(w, r)
	}
	return nil, refuse(http.StatusMethodNotAllowed, "send a POST, or a GET for a query").allowing("GET, POST, OPTIONS")
}

// parameters are the query and what goes with it.
func parameters(method string, request []byte) (*graphql.RawParams, *refusal) {
	if method == http.MethodGet {
		return fromQuery(string(request))
	}
	return fromJSON(request)
}

func fromQuery(text string) (*graphql.RawParams, *refusal) {
	values, err := url.ParseQuery(text)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "the URL's parameters can't be read")
	}
	params := &graphql.RawParams{Query: values.Get("query"), OperationName: values.Get("operationName")}
	for name, target := range map[string]*map[string]any{
		"variables": &params.Variables, "extensions": &params.Extensions,
	} {
		if text := values.Get(name); text != "" && decode([]byte(text), target) != nil {
			return nil, refuse(http.StatusBadRequest, "the parameter "+name+" is not a JSON object")
		}
	}
	if params.Query == "" && !namesQuery(params) {
		return nil, refuse(http.StatusBadRequest, "the parameter query is missing")
	}
	return params, nil
}

func (t overHTTP) readBody(w http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	mediaType, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := parameters["charset"]
	if err != nil || mediaType != plainJSON || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return nil, refuse(http.StatusUnsupportedMediaType, "send Content-Type: application/json, or multipart/form-data with a file")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, t.maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, refuse(http.StatusRequestEntityTooLarge, "the request is too large")
	case err != nil:
		return nil, refuse(http.StatusBadRequest, "the request can't be read")
	}
	return body, nil
}

// fromJSON reads the query and what goes with it out of a JSON object.
func fromJSON(body []byte) (*graphql.RawParams, *refusal) {
	var shape struct{ Query *string }
	params := &graphql.RawParams{}
	if decode(body, params) != nil || json.Unmarshal(body, &shape) != nil {
		return nil, refuse(http.StatusBadRequest, "the body is not a JSON object with query, operationName and variables")
	}
	if shape.Query == nil && !namesQuery(params) {
		return nil, refuse(http.StatusBadRequest, "query is missing in the body")
	}
	return params, nil
}

// decode reads JSON that is the whole of data; numbers stay as they were written.
func decode(data []byte, target any) error {
	if !json.Valid(data) {
		return errors.New("not JSON")
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	return decoder.Decode(target)
}

// refusal is an answer to a request that is not executed.
type refusal struct {
	status  int
	message string
	allow   string // the methods that would do
}

func refuse(status int, message string) *refusal { return &refusal{status: status, message: message} }

func (f *refusal) allowing(methods string) *refusal {
	f.allow = methods
	return f
}

func (f *refusal) write(w http.ResponseWriter, r *http.Request) {
	if f.allow != "" {
		w.Header().Set("Allow", f.allow)
	}
	code := "BAD_USER_INPUT"
	switch f.status {
	case http.StatusForbidden:
		code = "FORBIDDEN"
	case http.StatusInternalServerError:
		code = "INTERNAL"
	}
	writeRefusal(w, r, f.status, gqlerror.List{{Message: f.message, Extensions: map[string]any{"code": code}}})
}

// writeRefusal answers with errors and, since nothing was executed, without data.
func writeRefusal(w http.ResponseWriter, r *http.Request, status int, errs gqlerror.List) {
	writeJSON(w, contentType(r), status, struct {
		Errors gqlerror.List `json:"errors"`
	}{errs})
}

// requestErrorStatus is that of a well-formed request whose query is not executed: application/json is for
// clients that read the body only after a 200.
func requestErrorStatus(r *http.Request) int {
	if contentType(r) == plainJSON {
		return http.StatusOK
	}
	return http.StatusBadRequest
}

// contentType is the first of our two that the client accepts.
func contentType(r *http.Request) string {
	for _, mediaType := range accepted(r) {
		switch mediaType {
		case responseJSON:
			return responseJSON
		case plainJSON, "application/*", "*/*":
			return plainJSON
		}
	}
	return plainJSON
}

// accepted are the media types that the client takes, in its order.
func accepted(r *http.Request) []string {
	var mediaTypes []string
	for part := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		if mediaType, _, err := mime.ParseMediaType(strings.TrimSpace(part)); err == nil {
			mediaTypes = append(mediaTypes, mediaType)
		}
	}
	return mediaTypes
}

func writeJSON(w http.ResponseWriter, contentType string, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		contentType, status = plainJSON, http.StatusInternalServerError
		text = []byte(`{"errors":[{"message":"the answer can't be written","extensions":{"code":"INTERNAL"}}]}`)
	}
	writeBytes(w, contentType, status, text)
}

func writeBytes(w http.ResponseWriter, contentType string, status int, text []byte) {
	w.Header().Set("Content-Type", contentType+"; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text)
}
