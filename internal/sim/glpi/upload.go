package glpi

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// part is what the answer to an upload says of one file part.
type part struct {
	key    string // of the form field, without brackets: "filename" of "filename[0]"
	field  string // as it was sent
	stored string // the name on the server: prefixed, unless the field's name has no brackets
	prefix string
	kind   string
	upload Upload
}

func (r *request) addUpload(field, file, kind string, data []byte) {
	key, _, bracketed := strings.Cut(field, "[")
	upload := Upload{Part: key, Name: file, Data: data}
	r.uploads = append(r.uploads, upload)
	r.parts = append(r.parts, part{key: key, field: field, kind: kind, upload: upload, stored: file})
	if bracketed {
		r.parts[len(r.parts)-1].stored = ""
	}
}

// prefixUploads names the files on the server, and overwrites the manifest's _filename with what really came.
func (r *request) prefixUploads() {
	input, _ := r.params["input"].(map[string]any)
	s := r.server
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range r.parts {
		p := &r.parts[i]
		now := s.opts.Now()
		p.prefix = fmt.Sprintf("%08x%05x.%08d", now.Unix(), now.Nanosecond()/1000, s.rand.IntN(100_000_000))
		if p.stored == "" {
			p.stored = p.prefix + p.upload.Name
		}
		if input != nil {
			input["_"+p.key] = []any{p.stored}
			input["_prefix_"+p.key] = []any{p.prefix}
		}
	}
}

func (r *request) uploadResult() Object {
	base := strings.TrimSuffix(r.apiURL(), "/apirest.php")
	result := Object{}
	for _, p := range r.parts {
		file := Object{
			{"name", p.stored}, {"size", len(p.upload.Data)}, {"type", p.kind},
			{"url", base + "/files/" + url.PathEscape(p.stored)},
			{"deleteUrl", base + "/?" + p.key[:len(p.key)-1] + "=" + url.PathEscape(p.stored)}, {"deleteType", "DELETE"},
			{"prefix", p.prefix}, {"display", p.upload.Name}, {"filesize", sizeText(len(p.upload.Data))},
			{"id", fmt.Sprintf("doc%s%d", p.key, r.server.rand.IntN(1<<31))},
		}
		files, _ := result.Get(p.key).(List)
		result.Set(p.key, append(files, file))
	}
	return result
}

// sizeText is a size as GLPI shows it.
func sizeText(n int) string {
	units := []string{"o", "Kio", "Mio", "Gio"}
	size, unit := float64(n), 0
	for size > 1024 && unit < len(units)-1 {
		size /= 1024
		unit++
	}
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", size), "0"), ".") + " " + units[unit]
}

// download answers with the bytes behind an item.
func (r *request) download(tab *table, row *Row) (*reply, error) {
	file, err := tab.typ.Download(r.tx, row)
	if err != nil {
		return nil, err
	}
	serve := file.Serve
	if serve == nil {
		serve = file.serve(r.server.opts.Location)
	}
	return &reply{serve: serve}, nil
}

// serve writes the file as GLPI's Document does: text and images inline or not, never cached.
func (d Download) serve(zone *time.Location) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		kind, disposition := d.Mime, "attachment; "
		if strings.HasPrefix(kind, "text/") {
			kind += ";charset=UTF-8"
		}
		if strings.HasPrefix(kind, "image/") {
			disposition = ""
		}
		if mod, err := time.ParseInLocation(dateLayout, d.Modified, zone); err == nil {
			h["Last-Modified"] = []string{mod.UTC().Format(http.TimeFormat)}
		}
		sum := md5.Sum(d.Data)
		h["Content-Type"] = []string{kind}
		h["Expires"] = []string{"Thu, 19 Nov 1981 08:52:00 GMT"}
		h["Etag"] = []string{hex.EncodeToString(sum[:])}
		h["Pragma"] = []string{"private"}
		h["Cache-Control"] = []string{"private, must-revalidate"}
		h["Content-Disposition"] = []string{fmt.Sprintf(`%sfilename="%s"; filename*=utf-8''%s`, disposition, d.Name, url.PathEscape(d.Name))}
		_, _ = w.Write(d.Data)
	}
}
