package graph_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"fleetgate/glpiproxy"
	"fleetgate/internal/settings"
	"fleetgate/internal/sim/glpi"
)

const (
	uploadFile = `mutation ($input: UploadFileInput!) { uploadFile(input: $input) {
	  file { id databaseId name comment size version mimeType entity { name } } userErrors { code message field } } }`
	uploadApplication = `mutation ($input: UploadApplicationInput!) { uploadApplication(input: $input) {
	  application { id databaseId alias fileName size parseStatus packageName icon entity { name } } userErrors { code message field } } }`
)

// upload posts an operation with a file, whose bytes come from a reader, as input.file.
func (w *world) upload(token, query string, input map[string]any, name string, file io.Reader) (answer, error) {
	w.t.Helper()
	all := map[string]any{"file": nil}
	for key, value := range input {
		all[key] = value
	}
	operations, err := json.Marshal(map[string]any{"query": query, "variables": map[string]any{"input": all}})
	if err != nil {
		w.t.Fatal(err)
	}
	in, out := io.Pipe()
	form := multipart.NewWriter(out)
	go func() {
		err := errors.Join(form.WriteField("operations", string(operations)), form.WriteField("map", `{"0":["variables.input.file"]}`))
		part, partErr := form.CreateFormFile("0", name)
		if err = errors.Join(err, partErr); err == nil {
			_, err = io.Copy(part, file)
		}
		if err == nil {
			err = form.Close()
		}
		out.CloseWithError(err)
	}()
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+"/graphql", in)
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("Content-Type", form.FormDataContentType())
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	a := answer{text: string(text)}
	return a, errors.Join(err, json.Unmarshal(text, &a))
}

// mustUpload uploads and wants an answer without errors.
func (w *world) mustUpload(token, query string, input map[string]any, name string, content []byte) answer {
	w.t.Helper()
	a, err := w.upload(token, query, input, name, bytes.NewReader(content))
	if err != nil || len(a.Errors) > 0 {
		w.t.Fatalf("%s: %v, %s", name, err, a.text)
	}
	return a
}

// noise is n bytes in which no part is like another.
func noise(n int) []byte {
	b := make([]byte, n)
	source := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range b {
		b[i] = byte(source.Uint32())
	}
	return b
}

// GLPI forgets the last byte of some ranges, at multiples of 16384.
var oddSizes = []int{1, 2, 16383, 16384, 16385, 16386, 32768, 32769, 3 << 20}

func TestWhatIsUploadedIsDownloaded(t *testing.T) {
	w := newWorld(t)
	for admin, company := range map[string]string{"admin@acme.test": "ACME", "admin@globex.test": "Globex"} {
		token := w.signIn(admin)
		for _, size := range oddSizes {
			content := noise(size)
			name := fmt.Sprintf("Räume & O'Brien %d.bin", size)
			a := w.mustUpload(token, uploadFile, map[string]any{"comment": "new"}, name, content)
			file := answer{Data: a.at("uploadFile").(map[string]any)}
			if file.at("file", "name") != name || file.at("file", "size") != float64(size) || file.at("file", "comment") != "new" ||
				file.at("file", "entity", "name") != company || file.at("file", "version") != float64(1) || len(file.at("userErrors").([]any)) != 0 {
				t.Errorf("%s: %s", admin, a.text)
			}
			again := w.must(token, `query ($id: ID!) { file(id: $id) { name downloadUrl } }`, map[string]any{"id": file.at("file", "id")})
			response, got := w.download(again.at("file", "downloadUrl").(string))
			if response.StatusCode != 200 || !bytes.Equal(got, content) {
				t.Errorf("%s: %d of %d bytes came back with %d", admin, len(got), size, response.StatusCode)
			}
		}
		app := w.mustUpload(token, uploadApplication, nil, "New App.apk", noise(20000))
		if app.at("uploadApplication", "application", "alias") != "New App" || app.at("uploadApplication", "application", "fileName") != "New App.apk" ||
			app.at("uploadApplication", "application", "parseStatus") != "PENDING" || app.at("uploadApplication", "application", "entity", "name") != company {
			t.Errorf("%s: %s", admin, app.text)
		}
		named := w.mustUpload(token, uploadApplication, map[string]any{"alias": "Käfer"}, "x.UPK", noise(1))
		if named.at("uploadApplication", "application", "alias") != "Käfer" {
			t.Errorf("%s: %s", admin, named.text)
		}
		renamed := w.mustUpload(token, uploadFile, map[string]any{"name": "other.txt"}, "one.txt", []byte("abc"))
		if renamed.at("uploadFile", "file", "name") != "other.txt" {
			t.Errorf("%s: %s", admin, renamed.text)
		}
		w.fileID(token, "files", "name", "other.txt") // the list shows it
	}
}

func TestUploadsThatAreRefused(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	before := w.must(token, `{ overview { fileCount applicationCount } }`, nil).text
	mib := 1 << 20
	for title, c := range map[string]struct {
		query string
		input map[string]any
		name  string
		size  int
		code  string
		field string
		words string
	}{
		"empty":                  {uploadFile, nil, "a.txt", 0, "BAD_USER_INPUT", "[input file]", "empty"},
		"too large":              {uploadFile, nil, "a.txt", 4*mib + 1, "TOO_LARGE", "[input file]", "larger than 4 MiB"},
		"much too large":         {uploadFile, nil, "a.txt", 40 * mib, "TOO_LARGE", "[input file]", "larger than 4 MiB"},
		"too large a package":    {uploadApplication, nil, "a.apk", 4*mib + 1, "TOO_LARGE", "[input file]", "larger than 4 MiB"},
		"folders":                {uploadFile, nil, "../a.txt", 3, "BAD_USER_INPUT", "[input file]", "folders"},
		"backslashes":            {uploadFile, nil, `C:\a.txt`, 3, "BAD_USER_INPUT", "[input file]", "folders"},
		"no name":                {uploadFile, nil, "", 3, "BAD_USER_INPUT", "[input file]", "name"},
		"a hidden file":          {uploadFile, nil, ".htaccess", 3, "BAD_USER_INPUT", "[input file]", "name"},
		"folders in the name":    {uploadFile, map[string]any{"name": "a/b"}, "a.txt", 3, "BAD_USER_INPUT", "[input name]", "folders"},
		"an empty name":          {uploadFile, map[string]any{"name": ""}, "a.txt", 3, "BAD_USER_INPUT", "[input name]", "empty"},
		"a kind unknown to GLPI": {uploadFile, nil, "a.exe", 3, "BAD_USER_INPUT", "[input file]", `File upload failed. GLPI takes only the kinds of files on its list of document types: is ".exe" on it?`},
		"no package":             {uploadApplication, nil, "a.txt", 3, "BAD_USER_INPUT", "[input file]", ".apk"},
		"no ending":              {uploadApplication, nil, "apk", 3, "BAD_USER_INPUT", "[input file]", ".apk"},
		"an empty alias":         {uploadApplication, map[string]any{"alias": ""}, "a.apk", 3, "BAD_USER_INPUT", "[input alias]", "empty"},
		"folders of a package":   {uploadApplication, nil, "a/b.apk", 3, "BAD_USER_INPUT", "[input file]", "folders"},
	} {
		a, err := w.upload(token, c.query, c.input, c.name, bytes.NewReader(noise(c.size)))
		if err != nil || len(a.Errors) > 0 {
			t.Errorf("%s: %v, %s", title, err, a.text)
			continue
		}
		for _, payload := range a.Data {
			wrong := answer{Data: payload.(map[string]any)}
			message, _ := wrong.at("userErrors", 0, "message").(string)
			if wrong.at("userErrors", 0, "code") != c.code || fmt.Sprint(wrong.at("userErrors", 0, "field")) != c.field || !strings.Contains(message, c.words) ||
				wrong.Data["file"] != nil || wrong.Data["application"] != nil {
				t.Errorf("%s: %s", title, a.text)
			}
		}
	}
	for user, code := range map[string]string{"sally@acme.test": "FORBIDDEN", "viewer@acme.test": "FORBIDDEN", "": "UNAUTHENTICATED"} {
		token := ""
		if user != "" {
			token = w.signIn(user)
		}
		for _, query := range []string{uploadFile, uploadApplication} {
			a, err := w.upload(token, query, nil, "a.apk", bytes.NewReader(noise(3*mib)))
			if err != nil || a.code() != code {
				t.Errorf("%q: %v, %s", user, err, a.text)
			}
		}
	}
	if a := w.ask(token, uploadFile, map[string]any{"input": map[string]any{"file": "a.txt"}}); a.code() != "BAD_USER_INPUT" || !strings.Contains(a.text, "multipart") {
		t.Errorf("a text for a file: %s", a.text)
	}
	if after := w.must(w.signIn("admin@acme.test"), `{ overview { fileCount applicationCount } }`, nil).text; after != before {
		t.Errorf("%s became %s", before, after)
	}
}

// The file that two fields share is sent once.
func TestOneFileForTwoFields(t *testing.T) {
	w := newWorld(t)
	a := w.mustUpload(w.signIn("admin@acme.test"), `mutation ($input: UploadFileInput!) {
	  first: uploadFile(input: $input) { file { size } userErrors { code } } second: uploadFile(input: $input) { file { size } userErrors { code field } } }`,
		nil, "a.txt", []byte("abc"))
	if a.at("first", "file", "size") != float64(3) || a.at("second", "file") != nil || a.at("second", "userErrors", 0, "code") != "BAD_USER_INPUT" {
		t.Errorf("got %s", a.text)
	}
}

type breaking struct{ error }

func (b breaking) Read([]byte) (int, error) { return 0, b.error }

// A client that goes away in the middle of a file leaves nothing behind.
func TestUploadsThatAreGivenUp(t *testing.T) {
	w := newWorld(t)
	gone := errors.New("the client is gone")
	token := w.signIn("admin@acme.test")
	count := func() (n int) {
		page, err := glpiproxy.List[glpiproxy.File](t.Context(), w.beside("admin@acme.test"), glpiproxy.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return page.Total
	}
	before := count()
	for _, size := range []int{10, 100_000, 3 << 20} {
		if a, err := w.upload(token, uploadFile, nil, "a.txt", io.MultiReader(bytes.NewReader(noise(size)), breaking{gone})); !errors.Is(err, gone) {
			t.Errorf("%v, %s", err, a.text)
		}
	}
	// Until the gateway has noticed, the name is taken.
	a := w.mustUpload(token, uploadFile, nil, "a.txt", []byte("abc"))
	for deadline := time.Now().Add(10 * time.Second); a.at("uploadFile", "userErrors", 0, "code") == "CONFLICT" && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
		a = w.mustUpload(token, uploadFile, nil, "a.txt", []byte("abc"))
	}
	if a.at("uploadFile", "file", "size") != float64(3) {
		t.Errorf("the same name afterwards: %s", a.text)
	}
	if after := count(); after != before+1 {
		t.Errorf("%d files became %d", before, after)
	}
}

func TestUploadByCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("there is no curl here")
	}
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "Zeitplan für Ärzte.txt")
	if err := os.WriteFile(path, noise(16385), 0o600); err != nil {
		t.Fatal(err)
	}
	operations, err := json.Marshal(map[string]any{"query": uploadFile, "variables": map[string]any{"input": map[string]any{"file": nil}}})
	if err != nil {
		t.Fatal(err)
	}
	output, err := exec.CommandContext(t.Context(), curl, "-sS", "-m", "20", w.url+"/graphql", "-H", "Authorization: Bearer "+w.signIn("admin@acme.test"),
		"-F", "operations="+string(operations), "-F", `map={"0":["variables.input.file"]}`, "-F", "0=@"+path).CombinedOutput()
	if err != nil || !strings.Contains(string(output), `"name":"Zeitplan für Ärzte.txt"`) || !strings.Contains(string(output), `"size":16385`) {
		t.Errorf("%v: %s", err, output)
	}
}

// sink stands for a GLPI that takes any file and counts it; the simulator would keep it in memory.
type sink struct {
	next  http.Handler
	bytes int64
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		s.next.ServeHTTP(w, r)
		return
	}
	s.bytes, _ = io.Copy(io.Discard, r.Body)
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, `{"id":1,"message":"Item successfully added"}`)
}

// endless gives n bytes without holding them.
type endless struct{ n int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.n == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), e.n)
	e.n -= n
	return int(n), nil
}

func TestALargeFileIsNeverInMemory(t *testing.T) {
	size := int64(24 << 20)
	if os.Getenv("FLEETGATE_REAL") != "" {
		size = 200 << 20
	}
	w := newWorldOf(t, glpi.Options{}, func(_ *world, s *settings.Gateway) { s.MaxUpload = 256 })
	taker := &sink{next: w.glpi}
	w.mu.Lock()
	w.stand = taker
	w.mu.Unlock()
	token := w.signIn("admin@acme.test")
	w.must(token, `{ viewer { username } }`, nil)
	stop, most := watchMemory(t.Context())
	a, err := w.upload(token, uploadFile, nil, "large.bin", &endless{size})
	stop()
	if err != nil || taker.bytes < size {
		t.Fatalf("%d of %d bytes: %v, %s", taker.bytes, size, err, a.text)
	}
	if grown := most(); grown > 16<<20 {
		t.Errorf("%d bytes of memory for a file of %d", grown, size)
	}
}

// watchMemory tells by how much the heap grew at most.
func watchMemory(ctx context.Context) (stop func(), most func() int64) {
	heap := func() int64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse)
	}
	runtime.GC()
	before, highest := heap(), int64(0)
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			highest = max(highest, heap())
			time.Sleep(5 * time.Millisecond)
		}
	}()
	return func() { cancel(); <-ended }, func() int64 { return highest - before }
}

// refusing stands for a GLPI that answers every upload in one way.
type refusing struct {
	next    http.Handler
	status  int
	answer  string
	deleted []string
}

func (s *refusing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodDelete:
		s.deleted = append(s.deleted, r.URL.Path)
		_, _ = io.WriteString(w, `[{"1":true,"message":""}]`)
	case strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/"):
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(s.status)
		_, _ = io.WriteString(w, s.answer)
	default:
		s.next.ServeHTTP(w, r)
	}
}

func TestWhatGLPISaysAgainstAFile(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("admin@acme.test")
	for _, c := range []struct {
		status  int
		answer  string
		user    string // code of a userError
		code    string // or of an error
		message string
		deleted int
	}{
		{400, `["ERROR_GLPI_ADD","File upload failed"]`, "BAD_USER_INPUT", "", "File upload failed.", 0},
		{400, `["ERROR_UPLOAD_FILE_TOO_BIG_POST_MAX_SIZE","The file seems too big"]`, "BAD_USER_INPUT", "", "The file seems too big.", 0},
		{413, `<html><head><title>413 Request Entity Too Large</title></head></html>`, "BAD_USER_INPUT", "", "too large", 0},
		{201, `{"id":1,"message":"Item successfully added","upload_result":{"file":[{"name":"a.exe","size":3,"error":"Filetype not allowed"}]}}`,
			"BAD_USER_INPUT", "", "Filetype not allowed.", 1},
		{502, `<html>Bad gateway</html>`, "", "UPSTREAM_UNAVAILABLE", "", 0},
	} {
		stand := &refusing{next: w.glpi, status: c.status, answer: c.answer}
		w.mu.Lock()
		w.stand = stand
		w.mu.Unlock()
		a, err := w.upload(token, uploadFile, nil, "a.exe", strings.NewReader("abc"))
		message, _ := a.at("uploadFile", "userErrors", 0, "message").(string)
		code, _ := a.at("uploadFile", "userErrors", 0, "code").(string)
		if err != nil || code != c.user || a.code() != c.code || !strings.Contains(message, c.message) || len(stand.deleted) != c.deleted {
			t.Errorf("%s: got %v, %s; %q deleted", c.answer, err, a.text, stand.deleted)
		}
	}
}
