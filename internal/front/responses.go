package front

import (
	"context"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"fleetgate/internal/responsecache"
	"fleetgate/internal/signin"
)

// cacheHeader tells how the response came about: HIT, it was kept; MISS, it was made and is kept now if it can be; BYPASS,
// such responses are not kept.
const cacheHeader = "Fleetgate-Cache"

// responses are those that are kept for others who send the same request and may see the same. A nil cache keeps none.
type responses struct {
	cache    *responsecache.Cache
	keepable func(*graphql.OperationContext) bool
}

// longestKeptRequest is the size in bytes of the longest request whose response is kept: it is part of the key.
const longestKeptRequest = 8 << 10

// wish is what a request asks for, to those who keep responses; nil: they need not be asked.
type wish struct {
	responses
	key           []byte
	session, view string // whose it is, and what that sees
}

// wish reads a request, which is given as it came: the same bytes say the same. Who is asking is looked at first, so that
// nothing is given to those whose sign-in or rights have ended, nor to whoever sees something else by now.
func (a responses) wish(r *http.Request, request []byte) *wish {
	if a.cache == nil || len(request) > longestKeptRequest || takesEvents(r, ast.Query) {
		return nil
	}
	ctx, method := r.Context(), r.Method
	viewer, err := signin.FromContext(ctx)
	if err != nil {
		return nil
	}
	view, err := viewer.View(ctx)
	if err != nil {
		return nil
	}
	key := make([]byte, 0, len(view)+1+len(method)+1+len(request))
	key = append(append(key, view...), ' ')
	key = append(append(key, method...), ' ')
	return &wish{a, append(key, request...), viewer.Session.String(), view}
}

// grant answers the request from what is kept.
func (q *wish) grant(w http.ResponseWriter, r *http.Request) bool {
	if q == nil {
		return false
	}
	kept, ok := q.cache.Get(q.key)
	if !ok {
		return false
	}
	w.Header().Set(cacheHeader, "HIT")
	if r.Method == http.MethodGet && revalidate(w, r, kept.ETag) {
		return true
	}
	writeBytes(w, contentType(r), http.StatusOK, kept.Body)
	return true
}

// revalidate lets a client keep its own copy of what it got by GET, if it asks each time whether that still holds. It
// answers one that does.
func revalidate(w http.ResponseWriter, r *http.Request, etag string) (holds bool) {
	header := w.Header()
	header.Set("ETag", etag)
	header.Set("Cache-Control", "private, no-cache")
	if r.Header.Get("If-None-Match") != etag {
		return false
	}
	w.WriteHeader(http.StatusNotModified)
	return true
}

// unkept keeps the answer to a GET out of the caches on the way, some of which keep what does not say otherwise, and know
// of no Session-Token.
func unkept(header http.Header) {
	header.Set("Cache-Control", "no-store")
	header.Add("Vary", "Accept, Authorization, Session-Token")
}

// begin begins to note what the response to an operation rests on, if it is one to keep.
func (q *wish) begin(ctx context.Context, w http.ResponseWriter, operation *graphql.OperationContext) (context.Context, *taking) {
	if q == nil || !q.keepable(operation) {
		w.Header().Set(cacheHeader, "BYPASS")
		if q != nil {
			q.cache.Bypass()
		}
		return ctx, nil
	}
	w.Header().Set(cacheHeader, "MISS")
	ctx, recording := q.cache.Begin(ctx)
	recording.Same(q.session, q.view)
	return ctx, &taking{recording, q.key}
}

// taking is a response that is being made and may be kept; nil: it is not.
type taking struct {
	recording *responsecache.Recording
	key       []byte
}

func (t *taking) keep(body []byte) {
	if t != nil {
		t.recording.Keep(t.key, body)
	}
}

func (t *taking) end() {
	if t != nil {
		t.recording.End()
	}
}
