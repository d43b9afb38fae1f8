package glpi

import (
	"archive/zip"
	"bytes"
	"fmt"
	"image/color"
	"io"
	"path"
	"strings"
	"time"
)

func packageType() *Itemtype {
	return &Itemtype{
		Name: "PluginFlyvemdmPackage", Title: "Package", Table: "glpi_plugin_flyvemdm_packages", Right: "flyvemdm:package",
		Entity: Local, Display: []int{3, 4, 5},
		Columns: columns(`
			id           int
			name         text
			package_name text
			alias        text
			version      text
			version_code text
			icon         text
			filename     text
			entities_id  int
			dl_filename  text
			parse_status enum(pending|parsed|failed) pending`),
		Options: loadOptions("PluginFlyvemdmPackage", nil),
		Hooks: Hooks{
			PrepareAdd: preparePackage, PostAdd: keepUpload, PostGet: showFile, Download: downloadFile,
			PreDelete: undeploy, PostDelete: dropUpload,
		},
	}
}

func preparePackage(tx *Tx, in Input) error {
	upload, err := tx.sent()
	if err != nil {
		return err
	}
	if ext := strings.ToLower(path.Ext(upload.Name)); ext != ".apk" && ext != ".upk" {
		return Refuse("Only APK and UPK files are allowed")
	}
	in.Set("entities_id", tx.ActiveEntity())
	in.Set("filename", fmt.Sprintf("flyvemdm/package/%d/%s_%s", tx.ActiveEntity(), tx.Hex(13), upload.Name))
	in.Set("dl_filename", upload.Name)
	in.Set("parse_status", "pending")
	return nil
}

// RunCron lets the plugin's cron task ParseApplication look into every application that waits for it, now.
func (s *Server) RunCron() {
	tx := s.begin(nil)
	defer tx.end()
	tx.parseApplications(0)
}

// parseApplications looks into the applications that came at least so long ago. What is no archive has failed; an archive
// that the parser chokes on waits for ever.
func (tx *Tx) parseApplications(age time.Duration) {
	for _, row := range tx.Find("PluginFlyvemdmPackage", "parse_status", "pending") {
		came, err := time.Parse(time.RFC1123Z, string(tx.s.files[diskKey(row)+timeKey]))
		if err != nil || tx.Now().Sub(came) < age {
			continue
		}
		switch manifest, err := readManifest(tx.s.files[diskKey(row)]); {
		case err != nil:
			row.Set("parse_status", "failed")
		case manifest != "":
			tx.parsed(row, manifest)
		}
	}
}

const manifestName = "AndroidManifest.xml"

// readManifest is the manifest in an archive; "" when there is none.
func readManifest(data []byte) (string, error) {
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return "", fmt.Errorf("reading an application: %w", err)
	}
	file, err := archive.Open(manifestName)
	if err != nil {
		return "", nil
	}
	text, err := io.ReadAll(io.LimitReader(file, 1<<20))
	if err != nil {
		return "", fmt.Errorf("reading a manifest: %w", err)
	}
	return string(text), nil
}

// parsed fills in what the manifest says and tells the devices that wait for the application. The manifests of Application
// are text; of a real one, which is binary, only the file's name is used.
func (tx *Tx) parsed(row *Row, manifest string) {
	label := strings.TrimSuffix(row.Str("dl_filename"), path.Ext(row.Str("dl_filename")))
	id, version, code := "app."+strings.ToLower(label), "1.0", "1"
	if fields := strings.Fields(manifest); len(fields) == 3 && strings.HasPrefix(manifest, fields[0]) {
		id, version, code = fields[0], fields[1], fields[2]
	}
	for column, text := range map[string]string{
		"package_name": id, "version": version, "version_code": code, "alias": label, "icon": icon(color.RGBA{0x40, 0xa0, 0x60, 0xff}),
		"parse_status": "parsed",
	} {
		row.Set(column, text)
	}
	for _, task := range tx.Find("PluginFlyvemdmTask", "items_id", row.ID()) {
		if task.Str("itemtype") == row.Type().Name {
			tx.publishTask(task, `"`+task.Str("id")+`"`)
		}
	}
}

// Application is the bytes of an application that the plugin can look into: an archive, as an APK is.
func Application(id, version, code string) []byte {
	return archive(manifestName, id+" "+version+" "+code)
}

func archive(name, text string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	if w, err := z.Create(name); err == nil {
		_, _ = w.Write([]byte(text))
	}
	if z.Close() != nil {
		return nil
	}
	return b.Bytes()
}
