package glpi

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// upload posts a file as a dashboard does.
func (st *stage) upload(itemtype, part, name string, data []byte) *httptest.ResponseRecorder {
	st.t.Helper()
	body := "--B\r\nContent-Disposition: form-data; name=\"uploadManifest\"\r\n\r\n{\"input\":{\"alias\":\"x\",\"name\":\"" + name + "\"}}\r\n" +
		"--B\r\nContent-Disposition: form-data; name=\"" + part + "\"; filename=\"" + name + "\"\r\nContent-Type: text/plain\r\n\r\n" + string(data) + "\r\n--B--\r\n"
	req := httptest.NewRequest("POST", "/apirest.php/"+itemtype, strings.NewReader(body))
	req.Header.Set("Content-Type", "multipart/form-data; boundary=B")
	req.Header.Set("Session-Token", st.admin.token)
	w := httptest.NewRecorder()
	st.s.ServeHTTP(w, req)
	return w
}

func TestUploads(t *testing.T) {
	st := newStage(t)
	for _, c := range []struct {
		itemtype, part, name string
		status               int
		answer               string
	}{
		{"PluginFlyvemdmFile", "file", "a.txt", 201, `"id":1,"message":"Item successfully added: a.txt","upload_result":{"file":[{"name":"a.txt","size":5`},
		{"PluginFlyvemdmFile", "filename[0]", "b.txt", 400, `["ERROR_GLPI_ADD","No file uploaded"]`},
		{"PluginFlyvemdmFile", "file", "virus.exe", 400, `["ERROR_GLPI_ADD","File upload failed"]`},
		{"PluginFlyvemdmPackage", "file", "b.txt", 400, `["ERROR_GLPI_ADD","Only APK and UPK files are allowed"]`},
		{"PluginFlyvemdmPackage", "file", "b.apk", 201, `"id":1,`},
	} {
		if w := st.upload(c.itemtype, c.part, c.name, []byte("hello")); w.Code != c.status || !strings.Contains(w.Body.String(), c.answer) {
			t.Errorf("%s %s as %s: %d %s", c.itemtype, c.name, c.part, w.Code, w.Body)
		}
	}
	st.admin.want("POST", "/PluginFlyvemdmFile", `{"input":{"name":"x"}}`, 400, "No file uploaded")
	st.admin.want("GET", "/PluginFlyvemdmFile/1", "", 200, `"version":1,"filesize":5,"mime_type":"text/plain"`)
	st.admin.want("GET", "/PluginFlyvemdmPackage/1", "", 200, `"dl_filename":"b.apk","parse_status":"pending","filesize":5`)
	st.admin.want("PUT", "/PluginFlyvemdmFile/1", `{"input":{"name":"c.txt"}}`, 200, `[{"1":true,"message":"No file uploaded"}]`)
	_, globex := company(t, st.s, "globex")
	globex.want("GET", "/PluginFlyvemdmFile/1?alt=media", "", 401, "ERROR_RIGHT_MISSING")
}

// TestDownloads reads over real connections, where a body that is shorter than announced shows.
func TestDownloads(t *testing.T) {
	st := newStage(t)
	server := httptest.NewServer(st.s)
	defer server.Close()
	content := bytes.Repeat([]byte("0123456789abcdef"), 2048) // 32768 bytes
	sizes := map[string][]byte{"one": []byte("x"), "text": []byte("some text"), "chunk": content[:chunk+1], "long": content}
	ids := map[string]int{}
	for name, data := range sizes {
		st.upload("PluginFlyvemdmFile", "file", name+".txt", data)
		ids[name] = len(ids) + 1
	}
	for _, c := range []struct {
		name, asked  string
		status       int
		contentRange string
		missing      int // bytes at the end that never come
	}{
		{"text", "", 200, "bytes 0-8/9", 0},
		{"one", "", 200, "bytes 0-0/1", 1},
		{"chunk", "", 200, "bytes 0-16384/16385", 1},
		{"long", "", 200, "bytes 0-32767/32768", 0},
		{"text", "bytes=2-5", 206, "bytes 2-5/9", 0},
		{"text", "bytes=7-", 206, "bytes 7-8/9", 0},
		{"text", "bytes=3-3", 206, "bytes 3-3/9", 1},
		{"text", "bytes=-4", 206, "bytes 0-4/9", 0}, // a suffix, misread
		{"long", "bytes=1-16385", 206, "bytes 1-16385/32768", 1},
	} {
		t.Run(c.name+" "+c.asked, func(t *testing.T) {
			req, err := http.NewRequest("GET", fmt.Sprintf("%s/apirest.php/PluginFlyvemdmFile/%d", server.URL, ids[c.name]), nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Session-Token", st.admin.token)
			req.Header.Set("Accept", "application/octet-stream")
			if c.asked != "" {
				req.Header.Set("Range", c.asked)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			data, err := io.ReadAll(resp.Body)
			if resp.StatusCode != c.status || resp.Header.Get("Content-Range") != c.contentRange || !resp.Close {
				t.Errorf("%d %q, closing %v", resp.StatusCode, resp.Header.Get("Content-Range"), resp.Close)
			}
			if short := int(resp.ContentLength) - len(data); short != c.missing || (err != nil) != (c.missing > 0) {
				t.Errorf("%d bytes are missing (%v), wanted %d", short, err, c.missing)
			}
			var begin, end, size int
			if _, err := fmt.Sscanf(c.contentRange, "bytes %d-%d/%d", &begin, &end, &size); err != nil {
				t.Fatal(err)
			}
			if want := sizes[c.name][begin : end+1-c.missing]; !bytes.Equal(data, want) {
				t.Errorf("read %d other bytes", len(data))
			}
		})
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestApplicationsAreParsed: the plugin's cron looks into what was uploaded after a while, and then tells devices about it.
func TestApplicationsAreParsed(t *testing.T) {
	at := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	st := newStageWith(t, Options{ParseDelay: time.Minute, Now: func() time.Time { return at }})
	fleet := st.fleet("blue")
	for name, data := range map[string][]byte{
		"chat.apk": Application("test.chat", "3.4.1", "341"), "broken.apk": []byte("no archive"), "odd.apk": archive("classes.dex", "x"),
		"real.apk": archive(manifestName, "\x03\x00\x08\x00binary"),
	} {
		if w := st.upload("PluginFlyvemdmPackage", "file", name, data); w.Code != 201 {
			t.Fatalf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	id := 0
	st.do(func(tx *Tx) { id = tx.First("PluginFlyvemdmPackage", "dl_filename", "chat.apk").ID() })
	task := st.add("PluginFlyvemdmTask", fmt.Sprintf(`{"itemtype_applied":"PluginFlyvemdmFleet","items_id_applied":%d,"plugin_flyvemdm_policies_id":%d,"value":{"remove_on_delete":0},"itemtype":"PluginFlyvemdmPackage","items_id":%d}`,
		fleet, st.policy("deployApp"), id))
	st.broker.take()
	path := fmt.Sprintf("/PluginFlyvemdmPackage/%d", id)
	st.admin.want("GET", path, "", 200, `"package_name":"","alias":"x","version":"","version_code":"","icon":"",`)
	at = at.Add(time.Minute)
	st.admin.want("GET", path, "", 200, `"package_name":"test.chat","alias":"chat","version":"3.4.1","version_code":341,"icon":"iVBOR`)
	sameMessages(t, st.broker.take(), fmt.Sprintf(`%d/fleet/%d/Policy/deployApp/Task/%d {"deployApp":"test.chat","id":"%d","versionCode":"341","taskId":"%d"} retained`, st.entity, fleet, task, id, task))
	st.do(func(tx *Tx) {
		for name, status := range map[string]string{"broken.apk": "failed", "odd.apk": "pending", "real.apk": "parsed"} {
			if got := tx.First("PluginFlyvemdmPackage", "dl_filename", name).Str("parse_status"); got != status {
				t.Errorf("%s is %s, wanted %s", name, got, status)
			}
		}
	})
}

// TestPostMaxSize: PHP drops a body that is too long, and GLPI says so.
func TestPostMaxSize(t *testing.T) {
	st := newStageWith(t, Options{PostMaxSize: 1000})
	if w := st.upload("PluginFlyvemdmFile", "file", "a.txt", make([]byte, 2000)); w.Code != 400 || !strings.Contains(w.Body.String(), "ERROR_UPLOAD_FILE_TOO_BIG_POST_MAX_SIZE") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := st.upload("PluginFlyvemdmFile", "file", "a.txt", make([]byte, 200)); w.Code != 201 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestSeededLibrary finds files and applications in every state, and a file whose last byte never comes.
func TestSeededLibrary(t *testing.T) {
	s := newServer(t, Options{})
	s.SeedDemo(DemoOptions{Devices: 150, Seed: 1})
	acme := signIn(t, s, "admin@acme.test", DemoPassword)
	files := acme.want("GET", "/PluginFlyvemdmFile", "", 200, "").Body.String()
	for _, name := range []string{"welcome.txt", "rules & duties.txt", "site plan.png", "price list.csv"} {
		if !strings.Contains(files, `"name":"`+name+`"`) {
			t.Errorf("no %s in %s", name, files)
		}
	}
	tx := s.begin(nil)
	defer tx.end()
	for _, status := range []string{"pending", "parsed", "failed"} {
		if len(tx.Find("PluginFlyvemdmPackage", "parse_status", status)) < 2 {
			t.Errorf("no application of each company is %s", status)
		}
	}
	for _, status := range append(taskStatuses, "waiting") {
		if tx.First("PluginFlyvemdmTaskstatus", "status", status) == nil {
			t.Errorf("no task is %s anywhere", status)
		}
	}
	plan := tx.First("PluginFlyvemdmFile", "name", "site plan.png")
	if n := len(tx.s.files[diskKey(plan)]); (n-1)%chunk != 0 {
		t.Errorf("the plan has %d bytes", n)
	}
}
