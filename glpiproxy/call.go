package glpiproxy

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// call is one request to GLPI.
type call struct {
	operation string   // its name in errors and metrics
	method    string   // "": GET
	path      string   // after the API's root, with its leading slash
	query     string   // encoded
	body      any      // sent as JSON
	content   *content // sent as it is, in body's place
	accept    string   // the kind of answer; "": JSON
	bytes     string   // the Range header of a download
	session   string   // Session-Token
	caller    string   // whose turn it takes
	authorize string   // Authorization header, of initSession only
	secrets   []string
	once      bool // not a read: never sent twice
	slow      bool // GLPI waits for a device or a file: on the pool of slow calls
	lasting   bool // GLPI goes on with it when its caller has left
	short     bool // the answer may have fewer bytes than it announces
}

// answer is what GLPI said, with a status below 300.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// attempt sends a call once, within the bounds on calls under way and on time.
func (c *Client) attempt(ctx context.Context, k call) (*answer, error) {
	done, err := c.admit(ctx, k)
	if err != nil {
		return nil, unsent(err)
	}
	if k.lasting {
		return c.outlast(ctx, k, done)
	}
	return c.carryOut(ctx, k, done)
}

// outlast carries out a call that keeps one of GLPI's workers busy even when its caller has left: its place is taken for
// as long.
func (c *Client) outlast(ctx context.Context, k call, done func(error)) (*answer, error) {
	type result struct {
		*answer
		err error
	}
	ended := make(chan result, 1)
	carried := c.flights.carry(func() {
		a, err := c.carryOut(c.base, k, done)
		ended <- result{a, err}
	})
	if !carried {
		err := closedError(k.operation)
		done(err)
		return nil, unsent(err)
	}
	select {
	case r := <-ended:
		return r.answer, r.err
	case <-ctx.Done():
		return nil, c.contextError(k.operation, ctx)
	}
}

// carryOut sends a call that was admitted.
func (c *Client) carryOut(ctx context.Context, k call, done func(error)) (*answer, error) {
	started := time.Now()
	a, err := c.send(ctx, k)
	took := time.Since(started)
	done(err)
	c.metrics.observe(k.operation, a, err, took)
	c.log.Debug("glpi call", "operation", k.operation, "code", codeLabel(a, err), "took", took)
	if reachable, changed := c.health.observe(err, c.now()); changed {
		c.logHealth(reachable, err)
	}
	return a, err
}

func (c *Client) send(ctx context.Context, k call) (*answer, error) {
	limited, cancel := c.limit(ctx, k)
	defer cancel()
	defer context.AfterFunc(c.base, cancel)()
	request, err := c.request(limited, k)
	if err != nil {
		return nil, &Error{Kind: Invalid, Operation: k.operation, Message: "the request can't be written"}
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.sendError(ctx, limited, k, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, c.maxResponse+1))
	switch {
	case err != nil && !(k.short && errors.Is(err, io.ErrUnexpectedEOF)):
		return nil, c.sendError(ctx, limited, k, err)
	case int64(len(body)) > c.maxResponse:
		return nil, &Error{Kind: Upstream, Operation: k.operation, Status: response.StatusCode, Message: "the answer is too large"}
	case response.StatusCode >= 300:
		e := classify(k.operation, response.StatusCode, body)
		e.Message = c.redact(k, e.Message)
		return nil, e
	}
	return &answer{response.StatusCode, response.Header, body}, nil
}

func (c *Client) request(ctx context.Context, k call) (*http.Request, error) {
	var body io.Reader
	if k.body != nil {
		text, err := json.Marshal(k.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	if k.content != nil {
		body = k.content
	}
	method := k.method
	if method == "" {
		method = http.MethodGet
	}
	target := c.root + k.path
	if k.query != "" {
		target += "?" + k.query
	}
	r, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", cmp.Or(k.accept, "application/json"))
	r.Header.Set("User-Agent", c.userAgent)
	if k.content != nil {
		r.Header.Set("Content-Type", k.content.kind)
		r.ContentLength = k.content.size
	}
	for name, value := range map[string]string{"App-Token": c.appToken, "Session-Token": k.session, "Authorization": k.authorize, "Range": k.bytes} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	return r, nil
}

// sendError tells apart who ended a call that got no whole answer: the caller,
// the time limit, Close or the network. The URL is kept out of the text.
func (c *Client) sendError(caller, limited context.Context, k call, err error) *Error {
	switch {
	case k.content.failure() != nil:
		return k.content.failure()
	case caller.Err() != nil, c.base.Err() != nil:
		return c.contextError(k.operation, caller)
	case limited.Err() != nil, isTimeout(err):
		return &Error{Kind: Timeout, Operation: k.operation, Message: "no answer within " + c.timeoutOf(k).String()}
	}
	var inURL *url.Error
	if errors.As(err, &inURL) {
		err = inURL.Err
	}
	return &Error{Kind: Unavailable, Operation: k.operation, Message: c.redact(k, err.Error())}
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// contextError says why a context ended: shared reads run on the client's own.
func (c *Client) contextError(operation string, ctx context.Context) *Error {
	if c.base.Err() != nil {
		return closedError(operation)
	}
	return contextError(operation, ctx)
}

func contextError(operation string, ctx context.Context) *Error {
	kind := Canceled
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		kind = Timeout
	}
	return &Error{Kind: kind, Operation: operation, Err: ctx.Err()}
}

func closedError(operation string) *Error {
	return &Error{Kind: Unavailable, Operation: operation, Message: "the client is closed"}
}

// redact takes the call's own secrets out of a text that came from outside.
func (c *Client) redact(k call, s string) string {
	for _, secret := range append([]string{c.appToken, k.session, k.authorize}, k.secrets...) {
		if len(secret) > 3 {
			s = strings.ReplaceAll(s, secret, "[removed]")
		}
	}
	return s
}

// json gives the answer's JSON, or the *Error of an answer that has none.
func (a *answer) json(operation string) (json.RawMessage, error) {
	raw, err := parseJSON(a.body)
	if err != nil {
		return nil, unexpected(operation, a.status, err)
	}
	return raw, nil
}

// unsent marks the error of a call that GLPI never saw.
func unsent(err error) error {
	var e *Error
	if errors.As(err, &e) {
		e.unsent = true
	}
	return err
}

// unexpected is an answer that GLPI should not have given.
func unexpected(operation string, status int, err error) *Error {
	return &Error{Kind: Upstream, Operation: operation, Status: status, Err: err}
}
