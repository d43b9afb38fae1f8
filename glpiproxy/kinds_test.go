package glpiproxy_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"fleetgate/glpiproxy"
)

// Every kind of error comes from somewhere, and each as a type.
func TestEveryKindOfError(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 2)
	fleet := managed(t, d.acme, d.acmeID)
	refuse := func(status int, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "getFullSession") || strings.HasSuffix(r.URL.Path, "initSession") {
				return false
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			return true
		}
	}
	get := func(s *glpiproxy.Session) error {
		_, err := glpiproxy.Get[glpiproxy.Fleet](ctx, s, fleet.ID)
		return err
	}
	answered := func(status int, body string) func() error {
		return func() error { return get(behind(t, d, refuse(status, body))) }
	}
	kinds := everyKind()
	for kind, cause := range map[glpiproxy.Kind]func() error{
		glpiproxy.Upstream:        answered(200, `<b>SQL error</b> in query {"id":1}`),
		glpiproxy.Unauthenticated: func() error { return get(d.client.Resume("tokenofnobody")) },
		glpiproxy.BadCredentials:  func() error { _, err := d.client.SignIn(ctx, "admin@acme.test", "wrong"); return err },
		glpiproxy.Forbidden:       func() error { return get(d.globex) },
		glpiproxy.NotFound:        func() error { _, err := glpiproxy.Get[glpiproxy.Fleet](ctx, d.acme, 99999); return err },
		glpiproxy.Invalid:         func() error { _, err := glpiproxy.Get[glpiproxy.Fleet](ctx, d.acme, -1); return err },
		glpiproxy.Conflict:        func() error { return uploadTwice(d) },
		glpiproxy.Partial: func() error {
			outcomes, err := glpiproxy.CreateMany(ctx, d.acme, []glpiproxy.FleetInput{{Name: "x", EntityID: d.acmeID}, {}})
			return errors.Join(err, outcomes.Err())
		},
		glpiproxy.Unchanged: func() error {
			d.meddle(func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
				_, _ = io.WriteString(w, `[{"`+r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]+`":true,"message":""}]`)
			})
			defer d.meddle(nil)
			return glpiproxy.UpdateItem(ctx, d.acme, fleet.ID, glpiproxy.FleetChange{Name: ptr("unchanged")})
		},
		glpiproxy.Throttled: func() error {
			d.meddle(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, `["ERROR_GLPI_ADD","Too many captcha requests"]`)
			})
			defer d.meddle(nil)
			_, err := d.root.NewCaptcha(ctx)
			return err
		},
		glpiproxy.Misconfigured: answered(400, `["ERROR","API disabled"]`),
		glpiproxy.Unsupported:   answered(400, `["ERROR_RESOURCE_NOT_FOUND_NOR_COMMONDBTM","resource not found"]`),
		glpiproxy.Unavailable:   answered(502, `<html>Bad Gateway`),
		glpiproxy.Timeout: func() error {
			late, cancel := context.WithTimeout(ctx, 1)
			defer cancel()
			<-late.Done()
			_, err := glpiproxy.List[glpiproxy.Fleet](late, d.acme, glpiproxy.ListOptions{Fresh: true})
			return err
		},
		glpiproxy.Canceled: func() error {
			gone, cancel := context.WithCancel(ctx)
			cancel()
			_, err := glpiproxy.List[glpiproxy.Fleet](gone, d.acme, glpiproxy.ListOptions{Fresh: true})
			return err
		},
	} {
		err := cause()
		var e *glpiproxy.Error
		if !errors.As(err, &e) || e.Kind != kind || e.Operation == "" || !strings.Contains(err.Error(), kind.String()) {
			t.Errorf("%v: %#v", kind, err)
		}
		delete(kinds, kind)
	}
	for kind := range kinds {
		t.Errorf("nothing makes an error that is %v", kind)
	}
}

// everyKind are all kinds that have a name.
func everyKind() map[glpiproxy.Kind]bool {
	kinds := map[glpiproxy.Kind]bool{}
	for kind := glpiproxy.Kind(0); kind.String() != "unknown"; kind++ {
		kinds[kind] = true
	}
	return kinds
}

// uploadTwice begins an upload while another of the same name is under way.
func uploadTwice(d *demo) error {
	slow, feed := io.Pipe()
	first := make(chan struct{})
	go func() {
		defer close(first)
		_, _ = upload[glpiproxy.File](d.acme, "twice.txt", slow)
	}()
	_, _ = feed.Write([]byte("begun"))
	_, err := upload[glpiproxy.File](d.acme, "twice.txt", strings.NewReader("x"))
	_ = feed.Close()
	<-first
	return err
}
