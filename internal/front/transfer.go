package front

import (
	"errors"
	"io"
	"math"
	"net/http"
	"time"
)

// The server's own time limits are for short requests. The transfer of a file may take its time, as long as
// something moves.
const (
	longestPause    = 30 * time.Second // without a byte
	longestTransfer = time.Hour
	// Nobody needs long for what comes before a file, nor to send on when the answer is out; whoever does only
	// wants to keep us busy, and need not even be signed in for it.
	longestPreface = 30 * time.Second
	longestRest    = time.Minute
)

// slowBody is a request's body that may take longer than the server's limits.
type slowBody struct {
	io.Reader
	control *http.ResponseController
	end     time.Time
	left    int64 // bytes that may still come
}

func newSlowBody(body io.Reader, control *http.ResponseController) *slowBody {
	return &slowBody{body, control, time.Now().Add(longestTransfer), math.MaxInt64}
}

// allow sets how long the body may take from now on, and how many bytes may come.
func (b *slowBody) allow(limit time.Duration, bytes int64) {
	b.end, b.left = time.Now().Add(limit), bytes
}

// Close leaves the body to the server.
func (*slowBody) Close() error { return nil }

// Read allows for a pause before every read, and for the answer afterwards. Where the body has ended the server waits
// for the next request and must not take our limit for a client that is gone.
func (b *slowBody) Read(p []byte) (int, error) {
	now := time.Now()
	if now.After(b.end) {
		return 0, errors.New("the upload takes too long")
	}
	if b.left == 0 {
		return 0, errors.New("the upload has too much before its file")
	}
	pause := now.Add(longestPause)
	if b.end.Before(pause) {
		pause = b.end
	}
	_ = b.control.SetReadDeadline(pause)
	_ = b.control.SetWriteDeadline(now.Add(longestPause + writeTimeout))
	n, err := b.Reader.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if err != nil {
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// slowly gives the answers of a handler the time that they take.
func slowly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(newSlowAnswer(w), r)
	})
}

// slowAnswer is an answer that may take longer than the server's limits.
type slowAnswer struct {
	http.ResponseWriter
	control *http.ResponseController
	end     time.Time
}

func newSlowAnswer(w http.ResponseWriter) *slowAnswer {
	return &slowAnswer{w, http.NewResponseController(w), time.Now().Add(longestTransfer)}
}

// Write allows for a pause before every write.
func (a *slowAnswer) Write(p []byte) (int, error) {
	now := time.Now()
	if now.After(a.end) {
		return 0, errors.New("the download takes too long")
	}
	_ = a.control.SetWriteDeadline(now.Add(longestPause))
	return a.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach what is below.
func (a *slowAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
