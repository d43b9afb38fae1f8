package glpiproxy

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Uploadable are the item types that hold a file.
type Uploadable interface {
	File | Application
	Item
}

// UploadInput is a new file or application. It belongs to the session's active
// entity, whatever anybody asks for.
type UploadInput struct {
	FileName string // as the person's disk has it: "report.pdf", "app.apk"
	Name     string // a file's name or an application's alias; "": the file's name, no alias
	Comment  string // of files
	// Content is read once, as it is sent, and not after Upload has returned: which
	// it does not before a Read that is under way has.
	Content io.Reader
	Size    int64 // of Content in bytes, 0: not known
	Limit   int64 // of Content in bytes, 0: none
}

// Upload sends a file, which is never in memory as a whole, and tells the new item's
// id. It is sent once. Errors: Forbidden, Invalid (empty, larger than the limit, of a
// kind that GLPI refuses, with GLPI's message), Conflict (a file of this name is
// being uploaded right now: GLPI would mix the two), Unchanged (GLPI kept another
// number of bytes), Canceled (Content could not be read to its end), and those of a
// write in doubt: Upstream, Timeout, Unavailable.
func Upload[T Uploadable](ctx context.Context, s *Session, input UploadInput) (int, error) {
	var kind T
	w, err := newWriter(ctx, s, "create", kind.itemtype(), 1)
	if err == nil {
		err = input.check(kind.itemtype())
	}
	if err != nil {
		return 0, err
	}
	if _, busy := s.client.uploads.LoadOrStore(input.FileName, true); busy {
		return 0, uploadError(Conflict, "a file of this name is being uploaded right now")
	}
	defer s.client.uploads.Delete(input.FileName)
	body, err := input.multipart(w, kind.itemtype())
	if err != nil {
		return 0, err
	}
	k := call{operation: uploading, method: http.MethodPost, path: "/" + kind.itemtype(), content: body, once: true, slow: true}
	a, err := s.call(ctx, k)
	sent := body.end()
	s.client.Invalidate(listTag(kind.itemtype()))
	id, err := uploaded(a, err)
	if err != nil {
		return id, err
	}
	return id, checkKept[T](ctx, s, id, sent)
}

const uploading = "upload"

func uploadError(kind Kind, message string) *Error {
	return &Error{Kind: kind, Operation: uploading, Message: message}
}

// maxFileName bounds a file's name, in bytes: GLPI puts more before it.
const maxFileName = 200

// check refuses a name that could be a path, or that PHP would read as another one.
func (i UploadInput) check(itemtype string) error {
	odd := func(r rune) bool { return unicode.IsControl(r) || strings.ContainsRune(`/\":*?<>|`, r) }
	extension := strings.ToLower(path.Ext(i.FileName))
	switch {
	case i.FileName == "" || len(i.FileName) > maxFileName:
		return uploadError(Invalid, fmt.Sprintf("a file's name has 1 to %d bytes", maxFileName))
	case strings.HasPrefix(i.FileName, ".") || strings.ContainsFunc(i.FileName, odd) || !utf8.ValidString(i.FileName):
		return uploadError(Invalid, "this can't be a file's name")
	case itemtype == (Application{}).itemtype() && extension != ".apk" && extension != ".upk":
		return uploadError(Invalid, "only APK and UPK files are applications")
	case i.Limit > 0 && i.Size > i.Limit:
		return uploadError(Invalid, tooLarge(i.Limit))
	}
	return nil
}

func tooLarge(limit int64) string { return fmt.Sprintf("the file is larger than %d bytes", limit) }

// multipart makes the request's body: the manifest, then the file in a part that must
// be called "file".
func (i UploadInput) multipart(w *writer, itemtype string) (*content, error) {
	f := newFields(w.scope.location)
	if itemtype == (File{}).itemtype() {
		name := cmp.Or(i.Name, i.FileName)
		f.required("name", name)
		f.lines("comment", &i.Comment)
	} else {
		f.text("alias", &i.Name)
	}
	if f.err != nil {
		return nil, f.err
	}
	manifest, err := json.Marshal(map[string]any{"input": f.input})
	if err != nil {
		return nil, uploadError(Invalid, "the names can't be written as JSON")
	}
	var head bytes.Buffer
	parts := multipart.NewWriter(&head)
	_ = parts.WriteField("uploadManifest", string(manifest)) // a buffer takes everything
	_, _ = parts.CreateFormFile("file", i.FileName)
	tail := "\r\n--" + parts.Boundary() + "--\r\n"
	c := &content{kind: parts.FormDataContentType(), limit: i.Limit, source: i.Content}
	if i.Size > 0 {
		c.expected = i.Size
		c.size = int64(head.Len()) + i.Size + int64(len(tail))
	}
	c.all = io.MultiReader(&head, fileReader{c}, strings.NewReader(tail))
	return c, nil
}

// uploaded reads the answer to an upload: the new item's id, or GLPI's refusal of the
// item or of the file.
func uploaded(a *answer, err error) (int, error) {
	id, err := created(uploading, a, err)
	if err != nil {
		return 0, err
	}
	if refusal := fileRefusal(a.body); refusal != "" {
		return id, uploadError(Invalid, refusal)
	}
	return id, nil
}

// fileRefusal is what GLPI says against the file while it takes the item.
func fileRefusal(body []byte) string {
	raw, _ := parseWritten(body)
	r, _ := parseRow(raw)
	parts, _ := members(r["upload_result"])
	for _, part := range parts {
		files, _ := members(part.value)
		for _, file := range files {
			if result, err := parseRow(file.value); err == nil && result.text("error") != "" {
				return tidyMessage(result.text("error"))
			}
		}
	}
	return ""
}

// checkKept reads the new item and compares what GLPI has of it with what was sent.
func checkKept[T Uploadable](ctx context.Context, s *Session, id int, sent int64) error {
	item, err := Get[T](ctx, s, id)
	if err != nil {
		return nil // it is there, GLPI said so
	}
	size, kind, _ := fileOf(item)
	if int64(size) == sent || kind == "" { // without a kind GLPI looked at no file
		return nil
	}
	return uploadError(Unchanged, fmt.Sprintf("GLPI kept %d of %d bytes", size, sent))
}

// fileOf tells a file's size in bytes, its MIME type and its name.
func fileOf(item Item) (size int, kind, name string) {
	switch i := item.(type) {
	case File:
		return i.Size, i.MIMEType, i.Name
	case Application:
		return i.Size, i.MIMEType, cmp.Or(i.DownloadName, i.Name)
	}
	return 0, "", ""
}
