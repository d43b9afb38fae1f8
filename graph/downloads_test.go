package graph_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// download gets what is at a path on the gateway, with headers given as name, value pairs.
func (w *world) download(path string, headers ...string) (*http.Response, []byte) {
	w.t.Helper()
	return w.fetch(http.MethodGet, path, headers...)
}

func (w *world) fetch(method, path string, headers ...string) (*http.Response, []byte) {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Errorf("%s: %v after %d bytes", path, err, len(body))
	}
	return response, body
}

func TestRangesOfADownload(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	bearer := "Bearer " + token
	const size = 40000
	content := noise(size)
	a := w.mustUpload(token, uploadFile, map[string]any{"name": `a "b" ü.html`}, "page.txt", content)
	path := fmt.Sprintf("/files/%v/content", a.at("uploadFile", "file", "databaseId"))
	whole, got := w.download(path, "Authorization", bearer)
	for name, want := range map[string]string{
		"Content-Type": "application/octet-stream", "X-Content-Type-Options": "nosniff", "Accept-Ranges": "bytes", "Content-Length": "40000",
		"Content-Disposition": `attachment; filename*=utf-8''a%20%22b%22%20%C3%BC.html`, "Cache-Control": "private, no-cache",
	} {
		if got := whole.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if whole.StatusCode != 200 || !bytes.Equal(got, content) || whole.Header.Get("Last-Modified") == "" || !strings.Contains(whole.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("got %d and %d bytes, %v", whole.StatusCode, len(got), whole.Header)
	}
	tag := whole.Header.Get("Etag")
	for _, c := range []struct {
		title   string
		headers []string
		status  int
		from    int // of the content
		to      int
	}{
		{"the first byte", []string{"Range", "bytes=0-0"}, 206, 0, 1},
		{"one byte", []string{"Range", "bytes=7-7"}, 206, 7, 8},
		{"where GLPI forgets one", []string{"Range", "bytes=0-16384"}, 206, 0, 16385},
		{"and once more", []string{"Range", "bytes=100-32868"}, 206, 100, 32869},
		{"to the end", []string{"Range", "bytes=30000-"}, 206, 30000, size},
		{"beyond the end", []string{"Range", "bytes=30000-99999"}, 206, 30000, size},
		{"the last bytes", []string{"Range", "bytes=-10"}, 206, size - 10, size},
		{"the last byte", []string{"Range", "bytes=39999-"}, 206, size - 1, size},
		{"all of it", []string{"Range", "bytes=-99999"}, 206, 0, size},
		{"several", []string{"Range", "bytes=0-1,5-6"}, 200, 0, size},
		{"the same as before", []string{"Range", "bytes=5-6", "If-Range", tag}, 206, 5, 7},
		{"another than before", []string{"Range", "bytes=5-6", "If-Range", `"other"`}, 200, 0, size},
		{"not changed", []string{"If-None-Match", tag}, 304, 0, 0},
		{"changed", []string{"If-None-Match", `"other"`}, 200, 0, size},
	} {
		response, got := w.download(path, append(c.headers, "Authorization", bearer)...)
		if response.StatusCode != c.status || !bytes.Equal(got, content[c.from:c.to]) {
			t.Errorf("%s: got %d with %d bytes, want %d with %d", c.title, response.StatusCode, len(got), c.status, c.to-c.from)
		}
		if want := fmt.Sprintf("bytes %d-%d/%d", c.from, c.to-1, size); c.status == 206 && response.Header.Get("Content-Range") != want {
			t.Errorf("%s: got %q, want %q", c.title, response.Header.Get("Content-Range"), want)
		}
	}
	for _, impossible := range []string{"bytes=40000-", "bytes=5-2", "lines=1-2"} {
		response, _ := w.download(path, "Range", impossible, "Authorization", bearer)
		if response.StatusCode != http.StatusRequestedRangeNotSatisfiable {
			t.Errorf("%s: got %d", impossible, response.StatusCode)
		}
	}
	head, got := w.fetch(http.MethodHead, path, "Authorization", bearer)
	if head.StatusCode != 200 || head.ContentLength != size || len(got) != 0 || head.Header.Get("Etag") != tag {
		t.Errorf("HEAD: %d, %v", head.StatusCode, head.Header)
	}
}

func TestWhoMayDownload(t *testing.T) {
	w := newWorld(t)
	acme, globex := w.signIn("admin@acme.test"), w.signIn("admin@globex.test")
	mine := w.must(acme, `{ files { nodes { databaseId downloadUrl } } applications { nodes { databaseId downloadUrl } } }`, nil)
	for _, list := range []string{"files", "applications"} {
		link := mine.at(list, "nodes", 0, "downloadUrl").(string)
		other := mine.at(list, "nodes", 1, "downloadUrl").(string)
		path, ticket, _ := strings.Cut(link, "?")
		otherPath, _, _ := strings.Cut(other, "?")
		for _, c := range []struct {
			title   string
			method  string
			path    string
			headers []string
			status  int
		}{
			{"the link", "GET", link, nil, 200},
			{"the link with a sign-in of another company", "GET", link, []string{"Authorization", "Bearer " + globex}, 200},
			{"the sign-in", "GET", path, []string{"Authorization", "Bearer " + acme}, 200},
			{"nobody", "GET", path, nil, 401},
			{"nonsense", "GET", path, []string{"Authorization", "Bearer fg1.x"}, 401},
			{"another's ticket", "GET", otherPath + "?" + ticket, nil, 401},
			{"a broken ticket", "GET", path + "?ticket=fg1.x", nil, 401},
			{"the sign-in as a ticket", "GET", path + "?ticket=" + acme, nil, 401},
			{"another company", "GET", path, []string{"Authorization", "Bearer " + globex}, 404},
			{"nothing there", "GET", "/" + list + "/99999/content", []string{"Authorization", "Bearer " + acme}, 404},
			{"no id", "GET", "/" + list + "/0/content", []string{"Authorization", "Bearer " + acme}, 404},
			{"an odd id", "GET", "/" + list + "/01/content", []string{"Authorization", "Bearer " + acme}, 404},
			{"an odder one", "GET", "/" + list + "/1%2F..%2F2/content", []string{"Authorization", "Bearer " + acme}, 404},
			{"no right", "GET", path, []string{"Authorization", "Bearer " + w.signIn("sally@acme.test")}, 404},
			{"a page of another origin", "GET", link, []string{"Origin", "https://evil.example"}, 403},
			{"a write", "POST", path, []string{"Authorization", "Bearer " + acme}, 405},
		} {
			response, body := w.fetch(c.method, c.path, c.headers...)
			if response.StatusCode != c.status {
				t.Errorf("%s, %s: got %d %.200s, want %d", list, c.title, response.StatusCode, body, c.status)
			}
			if c.status == 401 && response.Header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: no WWW-Authenticate", c.title)
			}
		}
		// A link made for one's ticket is no sign-in.
		if a := w.ask(strings.TrimPrefix(ticket, "ticket="), `{ viewer { username } }`, nil); a.code() != "UNAUTHENTICATED" {
			t.Errorf("a ticket signs in: %s", a.text)
		}
	}
	link := w.must(acme, `{ files { nodes { downloadUrl } } }`, nil).at("files", "nodes", 0, "downloadUrl").(string)
	w.must(acme, `mutation { logout { ended } }`, nil)
	if response, body := w.download(link); response.StatusCode != 401 {
		t.Errorf("after signing out: %d %.100s", response.StatusCode, body)
	}
	if log := w.log.String(); strings.Contains(log, "ticket=") || strings.Contains(log, acme) {
		t.Error("a ticket or a token is in the log")
	}
}

// failing stands for a GLPI that gives out in the middle of a download.
type failing struct{ next http.Handler }

func (f failing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if asked := r.Header.Get("Range"); asked != "" && !strings.HasPrefix(asked, "bytes=0-") {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	f.next.ServeHTTP(w, r)
}

// A client must not take a part for the whole.
func TestADownloadThatBreaksOffIsNoShortFile(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	a := w.mustUpload(token, uploadFile, nil, "large.bin", noise(3<<20))
	w.mu.Lock()
	w.stand = failing{w.glpi}
	w.mu.Unlock()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("%s/files/%v/content", w.url, a.at("uploadFile", "file", "databaseId")), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if response.StatusCode != 200 || len(got) == 0 || err == nil {
		t.Errorf("got %d, %d bytes and %v", response.StatusCode, len(got), err)
	}
}
