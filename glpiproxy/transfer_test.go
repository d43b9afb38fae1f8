package glpiproxy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"fleetgate/glpiproxy"
)

// bytesOf makes n bytes that differ from place to place.
func bytesOf(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return data
}

func upload[T glpiproxy.Uploadable](s *glpiproxy.Session, name string, content io.Reader) (int, error) {
	return glpiproxy.Upload[T](context.Background(), s, glpiproxy.UploadInput{FileName: name, Content: content, Limit: 8 << 20})
}

func TestWhatIsUploadedComesBackToTheLastByte(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 0)
	for _, size := range []int{1, 2, 3, 16383, 16384, 16385, 16386, 16387, 32769, 3*16384 + 1, 2 << 20, 2<<20 + 1, 2<<20 + 2, 2<<20 + 16385, 5 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			data := bytesOf(size)
			id := must(upload[glpiproxy.File](d.acme, "report.txt", bytes.NewReader(data)))(t)
			download := must(glpiproxy.Open[glpiproxy.File](ctx, d.acme, id))(t)
			if download.Name != "report.txt" || download.Size != int64(size) || download.ModifiedAt.IsZero() {
				t.Errorf("%+v", download)
			}
			if back := must(io.ReadAll(download))(t); !bytes.Equal(back, data) {
				t.Errorf("%d bytes came back", len(back))
			}
			for _, from := range []int64{int64(size) - 1, int64(size) / 2, max(0, int64(size)-16385)} {
				must(download.Seek(from, io.SeekStart))(t)
				if rest := must(io.ReadAll(download))(t); !bytes.Equal(rest, data[from:]) {
					t.Errorf("from %d: %d bytes", from, len(rest))
				}
			}
			file := must(glpiproxy.Get[glpiproxy.File](ctx, d.acme, id))(t)
			if file.Size != size || file.EntityID != d.acmeID || file.MIMEType == "" {
				t.Errorf("%+v", file)
			}
		})
	}
}

func TestADownloadServesRanges(t *testing.T) {
	d := newDemo(t, 0)
	data := bytesOf(3<<20 + 1)
	id := must(upload[glpiproxy.Application](d.acme, "App.APK", bytes.NewReader(data)))(t)
	download := must(glpiproxy.Open[glpiproxy.Application](context.Background(), d.acme, id))(t)
	d.takeCalls(false)
	for header, want := range map[string][]byte{"bytes=0-0": data[:1], "bytes=16384-32768": data[16384:32769], "bytes=-1": data[3<<20:], "bytes=99999999-": nil} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Range", header)
		http.ServeContent(w, r, download.Name, download.ModifiedAt, download)
		if want != nil && (w.Code != http.StatusPartialContent || !bytes.Equal(w.Body.Bytes(), want)) || want == nil && w.Code != http.StatusRequestedRangeNotSatisfiable {
			t.Errorf("%s: %d, %d bytes", header, w.Code, w.Body.Len())
		}
	}
	if n := len(d.takeCalls(false)); n > 5 {
		t.Errorf("%d calls for three ranges", n)
	}
}

func TestAnothersFilesAreOutOfReach(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 0)
	id := must(upload[glpiproxy.File](d.acme, "secret.txt", strings.NewReader("secret")))(t)
	if _, err := glpiproxy.Open[glpiproxy.File](ctx, d.globex, id); err == nil {
		t.Error("Globex opens ACME's file")
	}
	_, err := glpiproxy.Open[glpiproxy.File](ctx, d.acme, 99999)
	wantKind(t, err, glpiproxy.NotFound)
	viewer := powerless(t, d)
	d.takeCalls(false)
	_, err = upload[glpiproxy.File](viewer, "x.txt", strings.NewReader("x"))
	wantKind(t, err, glpiproxy.Forbidden)
	if calls := d.takeCalls(true); len(calls) != 0 {
		t.Errorf("%q", calls)
	}
}

func TestUploadsThatAreRefused(t *testing.T) {
	ctx := context.Background()
	d := newDemo(t, 0)
	before := must(glpiproxy.List[glpiproxy.File](ctx, d.acme, glpiproxy.ListOptions{}))(t).Total
	broken := errors.New("the browser went away")
	for name, c := range map[string]struct {
		input glpiproxy.UploadInput
		want  glpiproxy.Kind
	}{
		"empty":              {glpiproxy.UploadInput{FileName: "a.txt", Content: strings.NewReader("")}, glpiproxy.Invalid},
		"too large":          {glpiproxy.UploadInput{FileName: "a.txt", Content: bytes.NewReader(bytesOf(1 << 20)), Limit: 1<<20 - 1}, glpiproxy.Invalid},
		"announced as such":  {glpiproxy.UploadInput{FileName: "a.txt", Content: strings.NewReader("x"), Size: 9, Limit: 8}, glpiproxy.Invalid},
		"shorter than said":  {glpiproxy.UploadInput{FileName: "a.txt", Content: strings.NewReader("abc"), Size: 5}, glpiproxy.Invalid},
		"longer than said":   {glpiproxy.UploadInput{FileName: "a.txt", Content: strings.NewReader("abcdefg"), Size: 5}, glpiproxy.Invalid},
		"cut off":            {glpiproxy.UploadInput{FileName: "a.txt", Content: iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("abc")))}, glpiproxy.Canceled},
		"broken":             {glpiproxy.UploadInput{FileName: "a.txt", Content: iotest.ErrReader(broken)}, glpiproxy.Canceled},
		"no name":            {glpiproxy.UploadInput{Content: strings.NewReader("x")}, glpiproxy.Invalid},
		"a path":             {glpiproxy.UploadInput{FileName: "../a.txt", Content: strings.NewReader("x")}, glpiproxy.Invalid},
		"a hidden file":      {glpiproxy.UploadInput{FileName: ".htaccess", Content: strings.NewReader("x")}, glpiproxy.Invalid},
		"a quote":            {glpiproxy.UploadInput{FileName: `a".txt`, Content: strings.NewReader("x")}, glpiproxy.Invalid},
		"a line end":         {glpiproxy.UploadInput{FileName: "a\r\n.txt", Content: strings.NewReader("x")}, glpiproxy.Invalid},
		"a long name":        {glpiproxy.UploadInput{FileName: strings.Repeat("x", 201), Content: strings.NewReader("x")}, glpiproxy.Invalid},
		"a comment too long": {glpiproxy.UploadInput{FileName: "a.txt", Comment: strings.Repeat("x", 1<<20), Content: strings.NewReader("x")}, glpiproxy.Invalid},
	} {
		_, err := glpiproxy.Upload[glpiproxy.File](ctx, d.acme, c.input)
		if glpiproxy.KindOf(err) != c.want || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := upload[glpiproxy.Application](d.acme, "a.exe", strings.NewReader("x"))
	wantKind(t, err, glpiproxy.Invalid)
	if after := must(glpiproxy.List[glpiproxy.File](ctx, d.acme, glpiproxy.ListOptions{Fresh: true}))(t).Total; after != before {
		t.Errorf("%d files, want %d", after, before)
	}
	if state := d.client.Health(); !state.Reachable {
		t.Error("a broken upload counts as GLPI's failure")
	}
}

func TestWhatGLPISaysAgainstAnUpload(t *testing.T) {
	d := newDemo(t, 0)
	for name, c := range map[string]struct {
		status int
		body   string
		want   glpiproxy.Kind
	}{
		"refused":           {400, `["ERROR_GLPI_ADD","Only APK and UPK files are allowed"]`, glpiproxy.Invalid},
		"the file refused":  {201, `{"id":9,"message":"","upload_result":{"file":[{"name":"a","error":"Filetype not allowed"}]}}`, glpiproxy.Invalid},
		"PHP's limit":       {400, `["ERROR_UPLOAD_FILE_TOO_BIG_POST_MAX_SIZE","too big"]`, glpiproxy.Invalid},
		"the proxy's limit": {413, `<html>Request Entity Too Large`, glpiproxy.Invalid},
		"no answer":         {500, ``, glpiproxy.Upstream},
		"nonsense":          {201, `[]`, glpiproxy.Upstream},
	} {
		d.meddle(func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		})
		_, err := upload[glpiproxy.Application](d.acme, "a.apk", strings.NewReader("x"))
		if err == nil || glpiproxy.KindOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	d.meddle(func(w http.ResponseWriter, r *http.Request, simulated http.Handler) {
		body := must(io.ReadAll(r.Body))(t)
		r.Body = io.NopCloser(bytes.NewReader(bytes.Replace(body, []byte("12345"), []byte("123"), 1)))
		simulated.ServeHTTP(w, r)
	})
	_, err := upload[glpiproxy.File](d.acme, "a.txt", strings.NewReader("12345"))
	wantKind(t, err, glpiproxy.Unchanged)
}

func TestTwoUploadsOfOneNameAreNotMixed(t *testing.T) {
	d := newDemo(t, 0)
	slow, feed := io.Pipe()
	first := make(chan error, 1)
	go func() {
		_, err := upload[glpiproxy.File](d.acme, "same.txt", slow)
		first <- err
	}()
	_ = must(feed.Write([]byte("begun")))(t) // its reading has begun
	_, err := upload[glpiproxy.File](d.globex, "same.txt", strings.NewReader("x"))
	wantKind(t, err, glpiproxy.Conflict)
	_ = feed.Close()
	if err := <-first; err != nil {
		t.Error(err)
	}
	if _, err := upload[glpiproxy.File](d.globex, "same.txt", strings.NewReader("x")); err != nil {
		t.Error(err)
	}
}

// endless makes bytes and watches how much memory is in use meanwhile.
type endless struct {
	left int
	most atomic.Uint64
	n    int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), e.left)
	clear(p[:n])
	e.left -= n
	if e.n++; e.n%256 == 0 {
		e.watch()
	}
	return n, nil
}

func (e *endless) watch() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	e.most.Store(max(e.most.Load(), m.HeapInuse))
}

// A large file must never be in memory as a whole, on its way there or back.
func TestLargeFilesAreStreamed(t *testing.T) {
	if testing.Short() {
		t.Skip("moves 200 MB twice")
	}
	const size = 200 << 20
	d := newDemo(t, 0)
	var received atomic.Int64
	d.meddle(func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		n, _ := io.Copy(io.Discard, r.Body)
		received.Store(n)
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"id":99999,"message":""}`)
	})
	file := &endless{left: size}
	file.watch()
	before := file.most.Load()
	if _, err := glpiproxy.Upload[glpiproxy.File](context.Background(), d.acme, glpiproxy.UploadInput{FileName: "big.zip", Content: file}); err != nil {
		t.Fatal(err)
	}
	if n := received.Load(); n < size || n > size+4096 {
		t.Errorf("%d bytes arrived", n)
	}
	serving := behind(t, d, func(w http.ResponseWriter, r *http.Request) bool {
		var from, to int
		if n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); n != 2 {
			return false
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, size))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = io.Copy(w, &endless{left: to - from + 1})
		return true
	})
	id := must(glpiproxy.List[glpiproxy.File](context.Background(), d.acme, glpiproxy.ListOptions{}))(t).Items[0].ID
	download := must(glpiproxy.Open[glpiproxy.File](context.Background(), serving, id))(t)
	for part := int64(0); part < size; part += size / 20 {
		if n, err := io.CopyN(io.Discard, download, size/20); n != size/20 {
			t.Fatal(n, err)
		}
		file.watch()
	}
	if growth := file.most.Load() - before; growth > 64<<20 {
		t.Errorf("%d MB more in use", growth>>20)
	}
}

// behind is ACME's session through a server that answers some requests itself.
func behind(t *testing.T, d *demo, answers func(http.ResponseWriter, *http.Request) bool) *glpiproxy.Session {
	t.Helper()
	simulated := d.server.Config.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !answers(w, r) {
			simulated.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	client := must(glpiproxy.New(glpiproxy.Options{URL: server.URL + "/glpi", SlowTimeout: 100 * time.Millisecond}))(t)
	t.Cleanup(func() { _ = client.Close() })
	return client.Resume(d.acme.Token())
}

func TestAnUploadThatStandsStillEnds(t *testing.T) {
	d := newDemo(t, 0)
	s := behind(t, d, func(http.ResponseWriter, *http.Request) bool { return false })
	slow, feed := io.Pipe()
	first := make(chan error, 1)
	go func() {
		_, err := upload[glpiproxy.File](s, "slow.txt", slow)
		first <- err
	}()
	_ = must(feed.Write([]byte("begun")))(t)
	time.Sleep(300 * time.Millisecond) // not for anything to happen, but for too long
	_ = feed.Close()
	wantKind(t, <-first, glpiproxy.Timeout)
}

func TestAFileThatGLPIHasLost(t *testing.T) {
	d := newDemo(t, 0)
	s := behind(t, d, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Range") == "" {
			return false
		}
		w.WriteHeader(http.StatusNotFound)
		return true
	})
	id := must(upload[glpiproxy.File](d.acme, "lost.txt", strings.NewReader("x")))(t)
	_, err := glpiproxy.Open[glpiproxy.File](context.Background(), s, id)
	wantKind(t, err, glpiproxy.NotFound)
}
