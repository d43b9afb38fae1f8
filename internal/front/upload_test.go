package front_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"fleetgate/internal/front"
	"fleetgate/internal/upload"
)

// takeFile reads the one file among the variables and tells what it found, or only begins to.
func takeFile(ctx context.Context, g *gate, glance bool) string {
	file, found := findFile(graphql.GetOperationContext(ctx).Variables)
	if !found {
		return "no file"
	}
	if glance {
		one := make([]byte, 1)
		n, err := io.ReadFull(file, one)
		select { // a test may be waiting for it
		case g.waiting <- struct{}{}:
		default:
		}
		return fmt.Sprintf("%s: %d, %s", file.Name, n, outcome(err))
	}
	n, err := io.Copy(io.Discard, file)
	if err != file.Failure() {
		return fmt.Sprintf("%v is not %v", err, file.Failure())
	}
	return fmt.Sprintf("%s (%s): %d, %s", file.Name, file.ContentType, n, outcome(err))
}

func outcome(err error) string {
	if err == nil {
		return "whole"
	}
	return err.Error()
}

func findFile(value any) (upload.File, bool) {
	switch value := value.(type) {
	case upload.File:
		return value, true
	case map[string]any:
		for _, inner := range value {
			if file, found := findFile(inner); found {
				return file, true
			}
		}
	case []any:
		for _, inner := range value {
			if file, found := findFile(inner); found {
				return file, true
			}
		}
	}
	return upload.File{}, false
}

// formPart is a part of a form; one with a file name is a file.
type formPart struct{ name, filename, text string }

func form(t *testing.T, parts ...formPart) (contentType, body string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		header := textproto.MIMEHeader{}
		disposition := fmt.Sprintf(`form-data; name="%s"`, p.name)
		if p.filename != "" {
			disposition += fmt.Sprintf(`; filename="%s"`, p.filename)
			header.Set("Content-Type", "text/plain")
		}
		header.Set("Content-Disposition", disposition)
		part, err := w.CreatePart(header)
		if err == nil {
			_, err = io.WriteString(part, p.text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.String()
}

const takes = `{"query":"mutation($f: Upload){take(file: $f)}","variables":{"f":null}}`

func TestFormsWithAFile(t *testing.T) {
	f, _ := newFront(t, func(o *front.Options) { o.Limits.Body, o.Limits.Upload = 4096, 1000 })
	const takesIn = `{"query":"mutation($i: Input){takeIn(input: $i)}","variables":{"i":{"name":"x","file":null,"files":[null,null],"count":7}}}`
	ops := func(text string) formPart { return formPart{"operations", "", text} }
	where := func(text string) formPart { return formPart{"map", "", text} }
	file := func(size int) formPart { return formPart{"0", "a.txt", strings.Repeat("x", size)} }
	tests := []struct {
		name   string
		parts  []formPart
		status int
		want   string
	}{
		{"a file", []formPart{ops(takes), where(`{"0":["variables.f"]}`), file(3)}, 200, "a.txt (text/plain): 3, whole"},
		{"an empty file", []formPart{ops(takes), where(`{"0":["variables.f"]}`), file(0)}, 200, "a.txt (text/plain): 0, whole"},
		{"inside an input", []formPart{ops(takesIn), where(`{"0":["variables.i.file"]}`), file(5)}, 200, ": 5, whole"},
		{"inside a list", []formPart{ops(takesIn), where(`{"0":["variables.i.files.1"]}`), file(5)}, 200, ": 5, whole"},
		{"a form without a file", []formPart{ops(`{"query":"{hello}"}`), where(`{}`)}, 200, "world"},
		{"the largest", []formPart{ops(takes), where(`{"0":["variables.f"]}`), file(1000)}, 200, ": 1000, whole"},
		{"too large", []formPart{ops(takes), where(`{"0":["variables.f"]}`), file(1001)}, 200, "the file has more than 1000 bytes"},
		{"folders in the name", []formPart{ops(takes), where(`{"0":["variables.f"]}`), {"0", "../a/b.txt", "x"}}, 200, "../a/b.txt (text"},
		{"what follows the file is nobody's", []formPart{ops(takes), where(`{"0":["variables.f"]}`), file(3), {"1", "b.txt", "b"}}, 200, ": 3, whole"},

		{"nothing", nil, 400, "operations is missing"},
		{"the file first", []formPart{file(3), ops(takes), where(`{"0":["variables.f"]}`)}, 400, "operations is missing"},
		{"the map first", []formPart{where(`{"0":["variables.f"]}`), ops(takes), file(3)}, 400, "operations is missing"},
		{"no map", []formPart{ops(takes), file(3)}, 400, "map is missing"},
		{"no file", []formPart{ops(takes), where(`{"0":["variables.f"]}`)}, 400, "must follow the part map"},
		{"another file", []formPart{ops(takes), where(`{"1":["variables.f"]}`), file(3)}, 400, "must follow the part map"},
		{"two files", []formPart{ops(takes), where(`{"0":["variables.f"],"1":["variables.f"]}`), file(3)}, 400, "one file a request"},
		{"one file for two", []formPart{ops(takes), where(`{"0":["variables.f","variables.g"]}`), file(3)}, 400, "one variable"},
		{"a batch", []formPart{ops("[" + takes + "]"), where(`{"0":["0.variables.f"]}`), file(3)}, 400, "not a JSON object"},
		{"odd map", []formPart{ops(takes), where(`["variables.f"]`), file(3)}, 400, "map is not JSON"},
		{"odd operations", []formPart{ops(`{"query":`), where(`{}`)}, 400, "not a JSON object"},
		{"no query", []formPart{ops(`{}`), where(`{}`)}, 400, "query is missing"},
		{"long operations", []formPart{ops(`{"query":"` + strings.Repeat(" ", 4096) + `"}`), where(`{}`)}, 413, "operations is too large"},
		{"long map", []formPart{ops(takes), where(`{"0":["` + strings.Repeat(" ", 4096) + `"]}`)}, 413, "map is too large"},
		{"a subscription", []formPart{ops(`{"query":"subscription{forever}"}`), where(`{}`)}, 400, "WebSocket"},
		{"does not fit", []formPart{ops(`{"query":"mutation($f: Upload!){take(file: $f)}","variables":{"f":null}}`), where(`{}`)}, 200, "VALIDATION_FAILED"},
	}
	for _, path := range []string{"", "f", "variables", "variables.", "variables.g", "variables.f.g", "variables.f.0", "query", "variables.i", "extensions.f",
		"variables.i.name", "variables.i.files", "variables.i.files.2", "variables.i.files.-1", "variables.i.files.x", "variables.i.count", "variables.i.count.0"} {
		op := takesIn
		if !strings.Contains(path, ".i") {
			op = takes
		}
		tests = append(tests, struct {
			name   string
			parts  []formPart
			status int
			want   string
		}{"path " + path, []formPart{ops(op), where(fmt.Sprintf(`{"0":[%q]}`, path)), file(3)}, 400, "the map's path"})
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			contentType, body := form(t, test.parts...)
			response := ask(f, "POST", "/graphql", body, "Content-Type", contentType)
			if got := text(t, response); response.StatusCode != test.status || !strings.Contains(got, test.want) {
				t.Errorf("got %d %s\nwant %d with %s", response.StatusCode, got, test.status, test.want)
			}
		})
	}
	t.Run("cut short", func(t *testing.T) {
		contentType, body := form(t, ops(takes), where(`{"0":["variables.f"]}`), file(500))
		for _, length := range []int{10, 120, 300, len(body) - 300, len(body) - 80} {
			response := ask(f, "POST", "/graphql", body[:length], "Content-Type", contentType)
			if got := text(t, response); !strings.Contains(got, "errors") && !strings.Contains(got, "the upload ended before") {
				t.Errorf("after %d bytes of %d: got %d %s", length, len(body), response.StatusCode, got)
			}
		}
	})
	t.Run("no boundary", func(t *testing.T) {
		if got := ask(f, "POST", "/graphql", "x", "Content-Type", "multipart/form-data"); got.StatusCode != 400 {
			t.Errorf("got %d %s", got.StatusCode, text(t, got))
		}
	})
}

// A page of another site can send a form without being asked; only with a header that it can't set is it taken.
func TestFormsMustBeDeliberate(t *testing.T) {
	f, _ := newFront(t, nil)
	contentType, body := form(t, formPart{"operations", "", takes}, formPart{"map", "", `{"0":["variables.f"]}`}, formPart{"0", "a.txt", "abc"})
	for _, test := range []struct {
		headers []string
		status  int
	}{
		{nil, 200}, // no browser
		{[]string{"Sec-Fetch-Site", "cross-site"}, 400},
		{[]string{"Origin", "http://example.com"}, 400},
		{[]string{"Origin", "https://evil.example", "Apollo-Require-Preflight", "true"}, 403},
		{[]string{"Origin", "http://example.com", "Apollo-Require-Preflight", "true"}, 200},
		{[]string{"Origin", "http://example.com", "Authorization", "Bearer x"}, 200},
	} {
		response := ask(f, "POST", "/graphql", body, append(test.headers, "Content-Type", contentType)...)
		if response.StatusCode != test.status {
			t.Errorf("%q: got %d %s", test.headers, response.StatusCode, text(t, response))
		}
	}
}

// serve puts a front on a real listener.
func serve(t *testing.T, f *front.Front) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Serve(ctx, listener) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// pour sends a form whose file comes from a reader, and answers what the gateway said.
func pour(t *testing.T, address, operations string, file io.Reader) (string, error) {
	t.Helper()
	in, out := io.Pipe()
	w := multipart.NewWriter(out)
	go func() {
		err := errors.Join(w.WriteField("operations", operations), w.WriteField("map", `{"0":["variables.f"]}`))
		part, partErr := w.CreateFormFile("0", "big.bin")
		if err = errors.Join(err, partErr); err == nil {
			_, err = io.Copy(part, file)
		}
		if err == nil { // who gives up does not write the last boundary
			err = w.Close()
		}
		out.CloseWithError(err)
	}()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/graphql", in)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", w.FormDataContentType())
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// zeros is n bytes; hold, if not nil, is waited for before the last.
type zeros struct {
	n    int64
	hold <-chan struct{}
}

func (z *zeros) Read(p []byte) (int, error) {
	if z.n == 0 {
		return 0, io.EOF
	}
	if z.n == 1 && z.hold != nil {
		<-z.hold
	}
	n := int64(len(p))
	if z.hold != nil || z.n < n {
		n = min(n, max(z.n-1, 1))
	}
	clear(p[:n])
	z.n -= n
	return int(n), nil
}

const glances = `{"query":"mutation($f: Upload){glance(file: $f)}","variables":{"f":null}}`

func TestExecutionBeginsBeforeTheFileHasCome(t *testing.T) {
	g := newGate()
	f, _ := newFront(t, func(o *front.Options) { o.Schema = executable(g) })
	address := serve(t, f)
	begun := make(chan struct{})
	go func() { <-g.waiting; close(begun) }()
	got, err := pour(t, address, glances, &zeros{n: 1 << 20, hold: begun})
	if err != nil || !strings.Contains(got, "big.bin: 1, whole") {
		t.Errorf("got %s, %v", got, err)
	}
}

// An answer that comes before the client has sent all must reach the client, and the connection stay of use.
func TestWhatNobodyReadsIsTakenAllTheSame(t *testing.T) {
	f, _ := newFront(t, nil)
	address := serve(t, f)
	for range 3 {
		got, err := pour(t, address, glances, &zeros{n: 20 << 20})
		if err != nil || !strings.Contains(got, "big.bin: 1, whole") {
			t.Errorf("got %s, %v", got, err)
		}
	}
}

func TestFilesAreNotHeldInMemory(t *testing.T) {
	size := int64(32 << 20)
	if os.Getenv("FLEETGATE_REAL") != "" {
		size = 200 << 20
	}
	f, _ := newFront(t, nil)
	address := serve(t, f)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got, err := pour(t, address, takes, &zeros{n: size})
	runtime.ReadMemStats(&after)
	if err != nil || !strings.Contains(got, fmt.Sprintf(": %d, ", size)) {
		t.Errorf("got %s, %v", got, err)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
		t.Errorf("%d bytes were allocated for a file of %d", grown, size)
	}
}

// What precedes a file is held as a whole, so it is bounded, whoever sends it.
func TestNothingLongIsHeldBeforeTheFile(t *testing.T) {
	f, _ := newFront(t, func(o *front.Options) { o.Limits.Body = 4096 })
	address := serve(t, f)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	in := io.MultiReader(strings.NewReader("--b\r\nX: "), &zeros{n: 8 << 20})
	response, err := http.Post("http://"+address+"/graphql", "multipart/form-data; boundary=b", in)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; response.StatusCode != http.StatusBadRequest || grown > 6<<20 {
		t.Errorf("%s, and %d bytes were allocated", response.Status, grown)
	}
}

// A client that says how much it will send need not send it to be told that it is too much.
func TestTooLargeIsToldBeforeItIsSent(t *testing.T) {
	f, _ := newFront(t, func(o *front.Options) { o.Limits.Body, o.Limits.Upload = 1000, 1000 })
	address := serve(t, f)
	connection, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(10 * time.Second))
	contentType, body := form(t, formPart{"operations", "", takes}, formPart{"map", "", `{"0":["variables.f"]}`}, formPart{"0", "a.txt", "abc"})
	fmt.Fprintf(connection, "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 100000000\r\n\r\n%s", contentType, body[:len(body)-20])
	answer := make([]byte, 4096)
	n, err := io.ReadAtLeast(connection, answer, 300)
	if !strings.Contains(string(answer[:n]), "more than 1000 bytes") {
		t.Errorf("got %s, %v", answer[:n], err)
	}
}

func TestClientsThatGiveUp(t *testing.T) {
	f, _ := newFront(t, nil)
	address := serve(t, f)
	_, err := pour(t, address, takes, io.MultiReader(&zeros{n: 1 << 20}, failing{}))
	if !errors.Is(err, errGaveUp) {
		t.Errorf("got %v", err)
	}
	if got, err := pour(t, address, takes, &zeros{n: 3}); err != nil || !strings.Contains(got, ": 3, ") {
		t.Errorf("the next one: got %s, %v", got, err)
	}
}

type failing struct{}

var errGaveUp = errors.New("the client gives up")

func (failing) Read([]byte) (int, error) { return 0, errGaveUp }

func TestCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("there is no curl here")
	}
	f, _ := newFront(t, nil)
	address := serve(t, f)
	path := filepath.Join(t.TempDir(), "naïve “file”.txt")
	for _, size := range []int{0, 1, 16383, 16384, 16385, 3 << 20} {
		if err := os.WriteFile(path, bytes.Repeat([]byte{'x'}, size), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := exec.CommandContext(t.Context(), curl, "-sS", "-m", "20", "http://"+address+"/graphql",
			"-F", "operations="+takes, "-F", `map={"0":["variables.f"]}`, "-F", "0=@"+path+";type=text/plain").CombinedOutput()
		if want := fmt.Sprintf("naïve “file”.txt (text/plain): %d, whole", size); err != nil || !strings.Contains(string(got), want) {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
}
