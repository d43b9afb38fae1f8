package glpi

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// linkHeader is written in lower case, as GLPI does.
var linkHeader = strings.ToLower("Link")

func TestNumericCheck(t *testing.T) {
	for text, want := range map[string]string{
		"007": "7", "1e3": "1000", "+33612345678": "33612345678", "1.10": "1.1", "2.0": "2", "0x1A": `"0x1A"`,
		"12345678901234567890": "1.2345678901234567e+19", " 7": "7", "7 ": `"7 "`, "": `""`, "-": `"-"`, ".5": "0.5",
		"1e999": `"1e999"`, "true": `"true"`, "0.00001": "1.0e-5", "-3": "-3", "NaN": `"NaN"`, "a/b é<": `"a/b é<"`,
	} {
		if got := string(encode(text)); got != want {
			t.Errorf("%q is written %s, wanted %s", text, got, want)
		}
	}
	if got := string(encode(Object{{"a", Object{}}, {"b", List{}}, {"c", Null}, {"7", true}})); got != `{"a":[],"b":[],"c":null,"7":true}` {
		t.Errorf("object: %s", got)
	}
}

func TestWrites(t *testing.T) {
	s := newServer(t, Options{})
	_, acme := company(t, s, "acme")
	_, globex := company(t, s, "globex")
	globex.want("POST", "/Computer", `{"input":{"name":"foreign"}}`, 201, `{"id":1,"message":"Item successfully added: foreign"}`)
	for _, c := range []struct {
		method, target, body string
		status               int
		want                 string
	}{
		{"POST", "/Computer", `{"input":{"name":"<b>x</b> & co"}}`, 201, `{"id":2,"message":"Item successfully added: x &amp; co"}`},
		{"POST", "/Computer", `{"input":{"name":""}}`, 201, `{"id":3,"message":"Item successfully added: Computer - ID 3"}`},
		{"POST", "/Computer", `{"input":{"name":"y","entities_id":2}}`, 400, `["ERROR_GLPI_ADD","You don't have permission to perform this action."]`},
		{"POST", "/Computer", `{"input":[{"name":"a"},{"name":"b","entities_id":2}]}`, 207,
			`["ERROR_GLPI_PARTIAL_ADD",[{"id":4,"message":"Item successfully added: a"},{"id":false,"message":"You don't have permission to perform this action."}]]`},
		{"POST", "/Computer", `{"input":[]}`, 400, `["ERROR_GLPI_ADD",[]]`},
		{"PUT", "/Computer/2", `{"input":{"serial":"0012","ticket_tco":"1.5","unknown":"z"}}`, 200, `[{"2":true,"message":""}]`},
		{"PUT", "/Computer/99", `{"input":{"name":"z"}}`, 400, `["ERROR_GLPI_UPDATE",null]`},
		{"PUT", "/Computer/1", `{"input":{"name":"z"}}`, 400, `["ERROR_GLPI_UPDATE","You don't have permission to perform this action."]`},
		{"PUT", "/Computer", `{"input":[{"id":2,"name":"n"},{"id":1,"name":"z"},{"id":99}]}`, 207,
			`["ERROR_GLPI_PARTIAL_UPDATE",[{"2":true,"message":""},{"1":false,"message":"You don't have permission to perform this action."}]]`},
		{"PUT", "/Computer", `{"input":[{"name":"n"}]}`, 200, `[[]]`},
		{"PUT", "/Computer/2", `{"input":{"name":{"a":1}}}`, 500, ``},
		{"DELETE", "/Computer/4", ``, 200, `[{"4":true,"message":""}]`},
		{"GET", "/Computer/4?get_hateoas=false", ``, 200, `"is_deleted":1`},
		{"DELETE", "/Computer/4?force_purge=true", ``, 200, `[{"4":true,"message":""}]`},
		{"DELETE", "/Computer/4", ``, 400, `["ERROR_GLPI_DELETE","Item not found"]`},
		{"DELETE", "/Computer", ``, 400, `["ERROR_BAD_ARRAY",`},
		{"GET", "/Computer/2?get_hateoas=false", ``, 200, `"name":"n","serial":12,`},
	} {
		acme.want(c.method, c.target, c.body, c.status, c.want)
	}
	w := acme.send("POST", "/Computer", `{"input":[{"name":"p"},{"name":"q"}]}`)
	link := []string{"http://glpi.test/apirest.php/Computer/5,http://glpi.test/apirest.php/Computer/6"}
	if got := w.Result().Header; !slices.Equal(got[linkHeader], link) {
		t.Errorf("link of a bulk creation: %v", got)
	}
}

func TestReadOnlyProfile(t *testing.T) {
	s := newServer(t, Options{})
	c := signIn(t, s, "post-only", "post-only")
	c.want("GET", "/Computer", "", 401, "ERROR_RIGHT_MISSING")
	c.want("POST", "/Computer", `{"input":{"name":"x"}}`, 400, `["ERROR_GLPI_ADD","You don't have permission`)
}

func TestUsers(t *testing.T) {
	s := newServer(t, Options{})
	_, acme := company(t, s, "acme")
	acme.want("POST", "/User", `{"input":{"name":"bob","_useremails":{"-1":"bob@acme.test"},"_profiles_id":1,"_entities_id":1,"realname":"D'Ora <x>","firstname":"Bob"}}`,
		201, `"message":"Item successfully added: D'Ora  Bob"`)
	acme.want("POST", "/User", `{"input":{"name":"bob"}}`, 400, "Unable to add. The user already exists.")
	acme.want("POST", "/User", `{"input":{"name":"b<b"}}`, 400, "The login is not valid. Unable to add the user.")
	acme.want("PUT", "/User/8", `{"input":{"password":"a","password2":"b"}}`, 400, "Error: the two passwords do not match")
	acme.want("PUT", "/User/8", `{"input":{"password":"secret","password2":"secret","phone":"0612"}}`, 200, `[{"8":true,"message":""}]`)
	w := acme.want("GET", "/User/8", "", 200, `"phone":612`)
	if strings.Contains(w.Body.String(), `"password":`) {
		t.Error("a user shows the password")
	}
	bob := signIn(t, s, "bob", "secret")
	acme.want("PUT", "/User/8", `{"input":{"end_date":"2020-01-01 00:00:00"}}`, 200, "")
	bob.want("GET", "/getMyProfiles", "", 200, "Self-Service") // open sessions stay
	bob.token = ""
	bob.want("GET", "/initSession?login=bob&password=secret", "", 401, "your account was deactivated or removed")
	acme.want("PUT", "/User/8", `{"input":{"end_date":"","profiles_id":4}}`, 200, "")
	acme.want("GET", "/User/8", "", 200, `"profiles_id":0`) // not his: dropped
	acme.want("PUT", "/User/8", `{"input":{"_useremails":{"72":"x@y.test"}}}`, 500, "")
	acme.want("POST", "/UserEmail", `{"input":{"users_id":8,"email":"b2@acme.test","is_default":1}}`, 201, "")
	acme.want("GET", "/User/8/UserEmail?get_hateoas=false", "", 200, `"is_default":0,"is_dynamic":0,"email":"bob@acme.test"},`)
	acme.want("DELETE", "/UserEmail/3", "", 200, "true")
	acme.want("GET", "/UserEmail/2", "", 200, `"is_default":1`)
}

func TestDocuments(t *testing.T) {
	s := newServer(t, Options{})
	c := signIn(t, s, "glpi", "glpi")
	upload := func(field, file string) string {
		w := c.send("POST", "/Document", "--B\r\nContent-Disposition: form-data; name=\"uploadManifest\"\r\nContent-Type: application/json\r\n\r\n"+
			`{"input":{"name":"doc","_filename":["x"]}}`+"\r\n--B\r\nContent-Disposition: form-data; name=\""+field+"\"; filename=\""+file+
			"\"\r\nContent-Type: text/plain\r\n\r\nhello\n\r\n--B--\r\n", "Content-Type", "multipart/form-data; boundary=B")
		return fmt.Sprintf("%d %s", w.Code, w.Body)
	}
	if got := upload("filename[0]", "a.txt"); !strings.HasPrefix(got, `201 {"id":1,"message":"Item successfully added: doc","upload_result":{"filename":[{"name":"`) {
		t.Error(got)
	}
	if got := upload("filename[0]", "a.exe"); !strings.HasPrefix(got, `400 ["ERROR_GLPI_ADD"`) {
		t.Error(got)
	}
	w := c.send("GET", "/Document/1", "", "Accept", "application/octet-stream")
	if w.Body.String() != "hello\n" || w.Header().Get("Content-Type") != "text/plain;charset=UTF-8" {
		t.Errorf("download: %d %v %q", w.Code, w.Header(), w.Body)
	}
	c.want("GET", "/Document/1", "", 200, `"filename":"a.txt","filepath":"TXT/`)
	signIn(t, s, "post-only", "post-only").want("GET", "/Document/1?alt=media", "", 200, "hello") // no right is asked for
}
