package glpi

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
)

func profileType() *Itemtype {
	return &Itemtype{
		Name: "Profile", Title: "Profile", Table: "glpi_profiles", Right: "profile",
		Columns: columns(`
			id                     int
			name                   text null
			interface              text helpdesk
			is_default             int
			helpdesk_hardware      int
			helpdesk_item_type     text null
			ticket_status          text null
			date_mod               datetime
			comment                text null
			problem_status         text null
			create_ticket_on_login int
			tickettemplates_id     int
			change_status          text null
			date_creation          datetime`),
		Hooks: Hooks{PostGet: func(tx *Tx, profile *Row, shown *Object) {
			for _, name := range tx.s.rightNames {
				shown.Set(name, int(tx.s.rights[profile.ID()][name]))
			}
		}},
	}
}

func documentType() *Itemtype {
	return &Itemtype{
		Name: "Document", Title: "Document", Table: "glpi_documents", Right: "document", Entity: Recursive,
		Children: []string{"Document_Item"},
		Columns: columns(`
			id                    int
			entities_id           int
			is_recursive          int
			name                  text null
			filename              text null
			filepath              text null
			documentcategories_id int
			mime                  text null
			date_mod              datetime
			comment               text null
			is_deleted            int
			link                  text null
			users_id              int
			tickets_id            int
			sha1sum               text null
			is_blacklisted        int
			tag                   text null
			date_creation         datetime`),
		Hooks: Hooks{PrepareAdd: storeDocument, PostDelete: dropDocument, Download: downloadDocument},
	}
}

// documentTypes are the extensions that GLPI lets in, with what it calls them.
var documentTypes = map[string]string{
	"txt": "text/plain", "csv": "text/csv", "pdf": "application/pdf", "png": "image/png", "jpg": "image/jpeg",
	"jpeg": "image/jpeg", "gif": "image/gif", "zip": "application/zip", "xml": "application/xml", "json": "application/json",
	"bmp": "image/bmp", "svg": "image/svg+xml", "mp3": "audio/mpeg", "mp4": "video/mp4", "avi": "video/x-msvideo", "gz": "application/gzip",
	"tar": "application/x-tar", "rtf": "application/rtf", "doc": "application/msword", "xls": "application/vnd.ms-excel",
	"ppt": "application/vnd.ms-powerpoint", "odt": "application/vnd.oasis.opendocument.text",
	"ods":  "application/vnd.oasis.opendocument.spreadsheet",
	"docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	"xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	"apk":  "application/vnd.android.package-archive", "upk": "application/octet-stream", // which the plugin adds
	"bin": "application/octet-stream", // which the administrator added
}

// fileKind is what GLPI calls a file by its extension, and whether it lets it in.
func fileKind(name string) (mime string, allowed bool) {
	mime, allowed = documentTypes[strings.ToLower(strings.TrimPrefix(path.Ext(name), "."))]
	return mime, allowed
}

func storeDocument(tx *Tx, in Input) error {
	in.Set("users_id", tx.UserID())
	in.Set("tag", fmt.Sprintf("%s-%s-%s", tx.Hex(8), tx.Hex(8), tx.Hex(14)))
	for _, upload := range tx.Uploads() {
		if upload.Part != "filename" {
			continue
		}
		mime, allowed := fileKind(upload.Name)
		if !allowed {
			return Refuse("Unauthorized file type")
		}
		tx.KeepFile(in, upload.Name, mime, upload.Data)
		if !in.Has("name") {
			in.Set("name", upload.Name)
		}
	}
	return nil
}

// KeepFile stores the bytes of a document that is being created.
func (tx *Tx) KeepFile(in Input, name, mime string, data []byte) {
	sum := sha1.Sum(data)
	digest := hex.EncodeToString(sum[:])
	extension := strings.ToUpper(strings.TrimPrefix(path.Ext(name), "."))
	in.Set("filename", name)
	in.Set("mime", mime)
	in.Set("sha1sum", digest)
	in.Set("filepath", fmt.Sprintf("%s/%s/%s.%s", extension, digest[:2], digest[2:], extension))
	tx.s.files[digest] = data
}

func downloadDocument(tx *Tx, row *Row) (Download, error) {
	return Download{
		Name: row.Str("filename"), Mime: row.Str("mime"), Modified: row.Str("date_mod"), Data: tx.s.files[row.Str("sha1sum")],
	}, nil
}

// dropDocument forgets the bytes with the last document that has them, and the document's links.
func dropDocument(tx *Tx, document *Row) error {
	if tx.First("Document", "sha1sum", document.Str("sha1sum")) == nil {
		delete(tx.s.files, document.Str("sha1sum"))
	}
	for _, link := range tx.Find("Document_Item", "documents_id", document.ID()) {
		tx.Remove(link)
	}
	return nil
}
