package front

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// hesitant gives its parts with a pause before each.
type hesitant struct {
	parts []string
	pause time.Duration
}

func (h *hesitant) Read(p []byte) (int, error) {
	if len(h.parts) == 0 {
		return 0, io.EOF
	}
	time.Sleep(h.pause)
	n := copy(p, h.parts[0])
	h.parts = h.parts[1:]
	return n, nil
}

// Files may take longer than the server allows for requests.
func TestTransfersOutlastTheServersLimits(t *testing.T) {
	const limit, pause = 100 * time.Millisecond, 80 * time.Millisecond
	for name, handler := range map[string]http.HandlerFunc{
		"an upload": func(w http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(w, newSlowBody(r.Body, http.NewResponseController(w)))
			if err != nil {
				panic(http.ErrAbortHandler)
			}
		},
		"a download": func(w http.ResponseWriter, r *http.Request) {
			slowly(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if _, err := io.Copy(w, &hesitant{strings.Split("a b c d", " "), pause}); err != nil {
					panic(http.ErrAbortHandler)
				}
				_ = http.NewResponseController(w).Flush()
			})).ServeHTTP(w, r)
		},
	} {
		server := httptest.NewUnstartedServer(handler)
		server.Config.ReadTimeout, server.Config.WriteTimeout = limit, limit
		server.Start()
		response, err := server.Client().Post(server.URL, "text/plain", &hesitant{strings.Split("a b c d", " "), pause})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else {
			got, err := io.ReadAll(response.Body)
			if err != nil || string(got) != "abcd" {
				t.Errorf("%s: got %q, %v", name, got, err)
			}
			response.Body.Close()
		}
		server.Close()
	}
}

func TestTransfersEndAtLast(t *testing.T) {
	recorder := httptest.NewRecorder()
	body := newSlowBody(strings.NewReader("abc"), http.NewResponseController(recorder))
	body.end = time.Now().Add(-time.Second)
	if n, err := body.Read(make([]byte, 3)); n != 0 || err == nil || errors.Is(err, io.EOF) {
		t.Errorf("an upload: %d, %v", n, err)
	}
	answer := newSlowAnswer(recorder)
	answer.end = time.Now().Add(-time.Second)
	if n, err := answer.Write([]byte("abc")); n != 0 || err == nil {
		t.Errorf("a download: %d, %v", n, err)
	}
}

// A client that trickles holds a place for a while only, before the file as after the answer.
func TestWhoOnlyTricklesIsCutOff(t *testing.T) {
	const field = "--b\r\nContent-Disposition: form-data; name=%q\r\n\r\n"
	for name, beginning := range map[string]string{
		"before the file":  fmt.Sprintf(field, "operations"),
		"after the answer": fmt.Sprintf(field, "nonsense") + "{}\r\n",
	} {
		ended := make(chan time.Duration, 1)
		transport := overMultipart{overHTTP{maxBody: 1 << 20}, 1 << 20, 100 * time.Millisecond, 100 * time.Millisecond}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			began := time.Now()
			transport.Do(w, r, nil) // refuses, since there are no operations
			ended <- time.Since(began)
		}))
		client, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		trickle := make(chan struct{})
		go func() { // and reads no answer
			defer close(trickle)
			_, err := fmt.Fprint(client, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"+
				"Content-Type: multipart/form-data; boundary=b\r\n\r\n", beginning)
			for err == nil {
				time.Sleep(10 * time.Millisecond)
				_, err = client.Write([]byte("x"))
			}
		}()
		select {
		case took := <-ended:
			if took > 5*time.Second {
				t.Errorf("%s: it was held for %s", name, took)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("%s: it is held still", name)
		}
		_ = client.Close()
		<-trickle
		server.Close()
	}
}
