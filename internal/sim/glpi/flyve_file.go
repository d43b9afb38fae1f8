package glpi

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

func fileType() *Itemtype {
	return &Itemtype{
		Name: "PluginFlyvemdmFile", Title: "File", Table: "glpi_plugin_flyvemdm_files", Right: "flyvemdm:file", Entity: Local,
		Display: []int{1, 4},
		Columns: columns(`
			id          int
			name        text
			source      text
			comment     text null
			entities_id int
			version     int 1`),
		Options: loadOptions("PluginFlyvemdmFile", nil),
		Hooks: Hooks{
			PrepareAdd: prepareFile, PostAdd: keepUpload, PostGet: showFile, Download: downloadFile,
			PrepareUpdate: unchangedFile, PreDelete: undeploy, PostDelete: dropUpload,
		},
	}
}

// sent is the file that came in the part called "file".
func (tx *Tx) sent() (Upload, error) {
	for _, upload := range tx.Uploads() {
		if upload.Part == "file" {
			if upload.Name == "" {
				return upload, Refuse("File uploaded without name")
			}
			return upload, nil
		}
	}
	return Upload{}, Refuse("No file uploaded")
}

// prepareFile puts the file into the session's entity, whatever the input says.
func prepareFile(tx *Tx, in Input) error {
	upload, err := tx.sent()
	if err != nil {
		return err
	}
	if _, allowed := fileKind(upload.Name); !allowed {
		return Refuse("File upload failed")
	}
	if !in.Has("name") {
		in.Set("name", upload.Name)
	}
	in.Set("entities_id", tx.ActiveEntity())
	in.Set("source", fmt.Sprintf("%d/%s_%s", tx.ActiveEntity(), tx.Hex(13), upload.Name))
	in.Set("version", 1)
	return nil
}

// unchangedFile says so, since a new upload by PUT is not possible.
func unchangedFile(tx *Tx, _ *Row, in Input) error {
	for _, column := range []string{"source", "version", "entities_id"} {
		delete(in, column)
	}
	tx.Warn("No file uploaded")
	return nil
}

// diskKey is where the bytes of a file or package are kept.
func diskKey(row *Row) string { return fmt.Sprintf("%s/%d", row.Type().Name, row.ID()) }

func keepUpload(tx *Tx, row *Row, _ Input) error {
	if upload, err := tx.sent(); err == nil {
		tx.writeFile(row, upload.Data)
	}
	return nil
}

// writeFile keeps the bytes of a file or package, and when they came.
func (tx *Tx) writeFile(row *Row, data []byte) {
	tx.s.files[diskKey(row)] = data
	tx.s.files[diskKey(row)+timeKey] = []byte(tx.Now().Format(time.RFC1123Z))
}

// timeKey ends the key under which a file's time is kept.
const timeKey = "/modified"

func dropUpload(tx *Tx, row *Row) error {
	delete(tx.s.files, diskKey(row))
	delete(tx.s.files, diskKey(row)+timeKey)
	return nil
}

func showFile(tx *Tx, row *Row, obj *Object) {
	data := tx.s.files[diskKey(row)]
	obj.Set("filesize", len(data))
	obj.Set("mime_type", sniffed(row, data))
}

func sniffed(row *Row, data []byte) string {
	kind, _, _ := strings.Cut(http.DetectContentType(data), ";")
	if kind == "application/zip" && row.Type().Name == "PluginFlyvemdmPackage" {
		return "application/java-archive"
	}
	return kind
}

// undeploy purges the tasks that deploy a file or package.
func undeploy(tx *Tx, row *Row) error {
	for _, task := range tx.Find("PluginFlyvemdmTask", "items_id", row.ID()) {
		if task.Str("itemtype") != row.Type().Name {
			continue
		}
		if err := tx.quietly(func() error { return tx.Delete(task) }); err != nil {
			return err
		}
	}
	return nil
}

// downloadFile answers with the bytes to those who may see the file.
func downloadFile(tx *Tx, row *Row) (Download, error) {
	if !tx.canItem(row, Read) {
		return Download{}, errRight
	}
	name := row.Str("dl_filename")
	if row.Type().Name == "PluginFlyvemdmFile" {
		name = row.Str("name")
	}
	data, onDisk := tx.s.files[diskKey(row)]
	modified := string(tx.s.files[diskKey(row)+timeKey])
	return Download{Serve: func(w http.ResponseWriter, r *http.Request) {
		if !onDisk {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		serveFile(w, r, name, data, modified)
	}}, nil
}

var byteRange = regexp.MustCompile(`bytes=\s*(\d*)-(\d*)`)

// chunk is what the plugin reads at a time. It loses the last byte of a range whose length is one more than a multiple of it.
const chunk = 16384

// serveFile sends a file or one range of it the way the plugin does: a Content-Range always, a suffix range misread as one
// from the start, and sometimes a byte less than it announces.
func serveFile(w http.ResponseWriter, r *http.Request, name string, data []byte, modified string) {
	begin, end, status := 0, len(data)-1, http.StatusOK
	if m := byteRange.FindStringSubmatch(r.Header.Get("Range")); m != nil {
		status = http.StatusPartialContent
		begin = phpInt(m[1])
		if m[2] != "" {
			end = phpInt(m[2])
		}
	}
	h := w.Header()
	h["Content-Type"] = []string{"application/octet-stream"}
	h["Expires"] = []string{"Mon, 26 Nov 1962 00:00:00 GMT"}
	h["Pragma"] = []string{"private"}
	h["Cache-Control"] = []string{"private, must-revalidate"}
	h["Content-Disposition"] = []string{`attachment; filename="` + name + `"`}
	h["Last-Modified"] = []string{modified}
	h["Accept-Ranges"] = []string{"bytes"}
	h["Content-Range"] = []string{fmt.Sprintf("bytes %d-%d/%d", begin, end, len(data))}
	h["Content-Transfer-Encoding"] = []string{"binary"}
	h["Content-Length"] = []string{strconv.Itoa(max(end-begin+1, 0))}
	h["Connection"] = []string{"close"}
	w.WriteHeader(status)
	last := min(end, len(data)-1)
	if (end-begin)%chunk == 0 {
		last--
	}
	if begin <= last {
		_, _ = w.Write(data[begin : last+1])
	}
}
