package glpi

import (
	"fmt"
	"strings"
	"testing"
)

// TestTaskValues shows which values of policies are taken, and what is published of them.
func TestTaskValues(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy string
		rest   string // of the input
		answer string // message of a refusal, or the payload
		status int
	}{
		{"bool on", "disableCamera", `"value":"1"`, `{"disableCamera":"true","taskId":1}`, 201},
		{"bool off", "disableCamera", `"value":"0"`, `{"disableCamera":"false","taskId":1}`, 201},
		{"bool true", "disableCamera", `"value":true`, `{"disableCamera":"true","taskId":1}`, 201},
		{"bool false", "disableCamera", `"value":false`, ``, 400},
		{"bool word", "disableCamera", `"value":"banana"`, ``, 400},
		{"bool with an item", "disableCamera", `"value":"1","itemtype":"PluginFlyvemdmFile","items_id":"1"`, ``, 400},
		{"int", "passwordMinLength", `"value":8`, `{"passwordMinLength":"8","taskId":1}`, 201},
		{"int below its minimum", "passwordMinLetters", `"value":-3`, `{"passwordMinLetters":"-3","taskId":1}`, 201},
		{"int with rubbish", "passwordMinLength", `"value":"12abc","itemtype":"","items_id":"0"`, `{"passwordMinLength":"12abc","taskId":1}`, 201},
		{"int word", "passwordMinLetters", `"value":"abc"`, ``, 400},
		{"choice", "passwordQuality", `"value":"PASSWORD_QUALITY_NUMERIC"`, `{"passwordQuality":"PASSWORD_QUALITY_NUMERIC","taskId":1}`, 201},
		{"no choice", "passwordEnabled", `"value":"PASSWORD_NOPE"`, ``, 400},
		{"remove an app", "removeApp", `"value":"org.example.bad"`, `{"removeApp":"org.example.bad","taskId":1}`, 201},
		{"remove no app", "removeApp", `"value":""`, `An application ID is required`, 400},
		{"remove a file", "removeFile", `"value":"%SDCARD%/a.txt"`, `{"removeFile":"%SDCARD%/a.txt","taskId":1}`, 201},
		{"deploy a file", "deployFile", `"value":{"destination":"%SDCARD%/docs","remove_on_delete":0},"itemtype":"PluginFlyvemdmFile","items_id":"1"`,
			`{"deployFile":"%SDCARD%/docs/","id":"1","version":"1","taskId":1}`, 201},
		{"deploy nowhere", "deployFile", `"value":{"remove_on_delete":0},"itemtype":"PluginFlyvemdmFile","items_id":"1"`, "A destination and the remove on delete flag are mandatory", 400},
		{"deploy to no known path", "deployFile", `"value":{"destination":"/etc","remove_on_delete":0},"itemtype":"PluginFlyvemdmFile","items_id":"1"`, "invalid base path", 400},
		{"deploy to a trick", "deployFile", `"value":{"destination":"%SDCARD%/../etc","remove_on_delete":0},"itemtype":"PluginFlyvemdmFile","items_id":"1"`, "invalid base path", 400},
		{"deploy no file", "deployFile", `"value":{"destination":"%SDCARD%","remove_on_delete":0}`, "You must choose a file to apply this policy", 400},
		{"deploy a missing file", "deployFile", `"value":{"destination":"%SDCARD%","remove_on_delete":0},"itemtype":"PluginFlyvemdmFile","items_id":"9"`, "The file does not exists", 400},
		{"deploy an app", "deployApp", `"value":{"remove_on_delete":1},"itemtype":"PluginFlyvemdmPackage","items_id":1`,
			`{"deployApp":"org.example.app","id":"1","versionCode":"7","taskId":1}`, 201},
		{"deploy an app without the flag", "deployApp", `"value":{},"itemtype":"PluginFlyvemdmPackage","items_id":1`, "The remove on delete flag is mandatory", 400},
		{"deploy an app with a bad flag", "deployApp", `"value":{"remove_on_delete":2},"itemtype":"PluginFlyvemdmPackage","items_id":1`, "The remove on delete flag must be 0 or 1", 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := newStage(t)
			st.stock()
			fleet := st.fleet("blue")
			body := fmt.Sprintf(`{"input":{"itemtype_applied":"PluginFlyvemdmFleet","items_id_applied":%d,"plugin_flyvemdm_policies_id":%d,%s}}`, fleet, st.policy(c.policy), c.rest)
			if c.status == 400 {
				st.admin.want("POST", "/PluginFlyvemdmTask", body, 400, `["ERROR_GLPI_ADD","`+c.answer+`"]`)
				sameMessages(t, st.broker.take())
				return
			}
			st.admin.want("POST", "/PluginFlyvemdmTask", body, 201, `{"id":1,"message":"Item successfully added: Task - ID 1"}`)
			sameMessages(t, st.broker.take(), fmt.Sprintf("%d/fleet/%d/Policy/%s/Task/1 %s retained", st.entity, fleet, c.policy, c.answer))
		})
	}
}

// stock puts a file and a parsed application into the company.
func (st *stage) stock() {
	st.do(func(tx *Tx) {
		tx.Insert("PluginFlyvemdmFile", map[string]any{"name": "a.txt", "entities_id": st.entity})
		tx.Insert("PluginFlyvemdmPackage", map[string]any{
			"name": "app.apk", "package_name": "org.example.app", "version_code": "7", "entities_id": st.entity, "parse_status": "parsed",
		})
	})
}

func (st *stage) policy(symbol string) (id int) {
	st.do(func(tx *Tx) { id = tx.First("PluginFlyvemdmPolicy", "symbol", symbol).ID() })
	return id
}

// TestTaskTargets shows on what a policy can be applied.
func TestTaskTargets(t *testing.T) {
	st := newStage(t)
	fleet := st.fleet("blue")
	home := 0
	st.do(func(tx *Tx) { home = tx.defaultFleet(st.entity).ID() })
	for _, c := range []struct{ name, itemtype, id, policy, message string }{
		{"default fleet", "PluginFlyvemdmFleet", fmt.Sprint(home), "20", "Cannot apply a policy on a not managed fleet"},
		{"foreign fleet", "PluginFlyvemdmFleet", "1", "20", noPermission},
		{"missing fleet", "PluginFlyvemdmFleet", "9999", "20", noPermission},
		{"missing policy", "PluginFlyvemdmFleet", fmt.Sprint(fleet), "9999", noPermission},
		{"no policy", "PluginFlyvemdmFleet", fmt.Sprint(fleet), "null", noPermission},
		{"unknown class", "Nope", "1", "20", noPermission},
	} {
		t.Run(c.name, func(t *testing.T) {
			st.admin.want("POST", "/PluginFlyvemdmTask", fmt.Sprintf(`{"input":{"itemtype_applied":%q,"items_id_applied":%s,"plugin_flyvemdm_policies_id":%s,"value":1}}`, c.itemtype, c.id, c.policy), 400, c.message)
		})
	}
	input := fmt.Sprintf(`{"itemtype_applied":"PluginFlyvemdmFleet","items_id_applied":%d,"plugin_flyvemdm_policies_id":20,"value":1}`, fleet)
	st.add("PluginFlyvemdmTask", input)
	st.admin.want("POST", "/PluginFlyvemdmTask", `{"input":`+input+`}`, 400, "Policy already applied")
}

// TestTaskLife follows a task: statuses, a new value that begins anew, and its withdrawal.
func TestTaskLife(t *testing.T) {
	st := newStage(t)
	d := st.enrol("ann@acme.test", "SER1")
	task := fmt.Sprintf("/PluginFlyvemdmTask/%d", st.add("PluginFlyvemdmTask",
		fmt.Sprintf(`{"itemtype_applied":"PluginFlyvemdmAgent","items_id_applied":%d,"plugin_flyvemdm_policies_id":9,"value":"8"}`, d.agent)))
	sameMessages(t, st.broker.take(), d.topic+`/Policy/passwordMinLength/Task/1 {"passwordMinLength":"8","taskId":1} retained`)
	d.session.want("PUT", "/PluginFlyvemdmTaskstatus/1", `{"input":{"status":"received"}}`, 200, "true")
	d.session.want("PUT", "/PluginFlyvemdmTaskstatus/1", `{"input":{"status":"dancing"}}`, 400, `["ERROR_GLPI_UPDATE",""]`)
	d.session.want("PUT", "/PluginFlyvemdmTaskstatus/1", `{"input":{"status":"waiting"}}`, 400, "") // only for files and apps
	st.admin.want("PUT", "/PluginFlyvemdmTaskstatus/1", `{"input":{"status":"done"}}`, 400, noPermission)
	st.s.HandleMQTT(d.topic+"/Status/Task/1", []byte(`{"status":"done"}`))
	st.admin.want("GET", "/PluginFlyvemdmTaskstatus/1", "", 200, `"status":"done"`)

	st.admin.want("PUT", task, `{"input":{"value":"10"}}`, 200, "true")
	sameMessages(t, st.broker.take(), d.topic+`/Policy/passwordMinLength/Task/1 {"passwordMinLength":"10","taskId":"1"} retained`)
	st.admin.want("GET", "/PluginFlyvemdmTaskstatus?get_hateoas=false", "", 200, `[{"id":2,"name":"",`)

	_, globex := company(t, st.s, "globex")
	st.broker.take()
	globex.want("GET", task, "", 401, "ERROR_RIGHT_MISSING")
	globex.want("PUT", task, `{"input":{"value":"1"}}`, 400, noPermission)
	globex.want("GET", "/PluginFlyvemdmTask", "", 200, `"value":10`) // lists know no entity
	globex.want("DELETE", task, "", 200, "true")                     // nor does deleting
	sameMessages(t, st.broker.take(), d.topic+`/Policy/passwordMinLength/Task/1 {"passwordMinLength":"default","taskId":"1"} retained`)
	st.admin.want("GET", "/PluginFlyvemdmTaskstatus", "", 200, "[]")
}

// TestWithdrawnDeployments shows what deleting a deployment does to what it deployed.
func TestWithdrawnDeployments(t *testing.T) {
	st := newStage(t)
	st.stock()
	fleet := st.fleet("blue")
	deploy := func(policy, value, itemtype string) string {
		t.Helper()
		id := st.add("PluginFlyvemdmTask", fmt.Sprintf(`{"itemtype_applied":"PluginFlyvemdmFleet","items_id_applied":%d,"plugin_flyvemdm_policies_id":%d,"value":%s,"itemtype":%q,"items_id":"1"}`, fleet, st.policy(policy), value, itemtype))
		st.broker.take()
		return fmt.Sprintf("/PluginFlyvemdmTask/%d", id)
	}
	root := fmt.Sprintf("%d/fleet/%d/Policy/", st.entity, fleet)

	kept := deploy("deployFile", `{"destination":"%SDCARD%/docs/","remove_on_delete":0}`, "PluginFlyvemdmFile")
	if w := st.admin.want("DELETE", kept, "", 500, ""); w.Body.Len() > 0 {
		t.Errorf("the fatal error has a body: %s", w.Body)
	}
	st.admin.want("GET", kept, "", 404, "ERROR_ITEM_NOT_FOUND")
	st.broker.take()

	removed := deploy("deployFile", `{"destination":"%SDCARD%/docs/","remove_on_delete":1}`, "PluginFlyvemdmFile")
	st.admin.want("GET", removed, "", 200, `"value":"{\"destination\":\"%SDCARD%/docs/\",\"remove_on_delete\":\"1\"}"`)
	st.admin.want("PUT", removed, `{"input":{"value":{"destination":"%SDCARD%"}}}`, 500, "")
	st.admin.want("DELETE", removed, "", 200, `true,"message":""`)
	sameMessages(t, st.broker.take(), root+`deployFile/Task/2 {"deployFile":"default","taskId":"2"} retained`,
		root+`removeFile/Task/3 {"removeFile":"%SDCARD%/docs/a.txt","taskId":3} retained`)

	st.do(func(tx *Tx) { tx.Row("PluginFlyvemdmPackage", 1).Set("package_name", "") }) // not parsed yet
	nameless := deploy("deployApp", `{"remove_on_delete":1}`, "PluginFlyvemdmPackage")
	st.admin.want("DELETE", nameless, "", 200, `true,"message":"An application ID is required"`)
	st.do(func(tx *Tx) { tx.Row("PluginFlyvemdmPackage", 1).Set("package_name", "org.example.app") })

	app := deploy("deployApp", `{"remove_on_delete":"1"}`, "PluginFlyvemdmPackage")
	st.admin.want("DELETE", "/PluginFlyvemdmPackage/1", "", 200, "true") // takes its deployments along
	st.admin.want("GET", app, "", 404, "ERROR_ITEM_NOT_FOUND")

	deploy("deployFile", `{"destination":"%MUSIC%","remove_on_delete":1}`, "PluginFlyvemdmFile")
	st.admin.want("DELETE", fmt.Sprintf("/PluginFlyvemdmFleet/%d", fleet), "", 500, "") // as contract 6.4 warns
}

// TestFleets shows what is special about the default one, and what deleting another does.
func TestFleets(t *testing.T) {
	st := newStage(t)
	d := st.enrol("ann@acme.test", "SER1")
	home := 0
	st.do(func(tx *Tx) { home = tx.defaultFleet(st.entity).ID() })
	id := st.add("PluginFlyvemdmFleet", fmt.Sprintf(`{"name":"","entities_id":%d}`, st.entity))
	path := fmt.Sprintf("/PluginFlyvemdmFleet/%d", id)
	root := fmt.Sprintf("%d/fleet/%d", st.entity, id)
	sameMessages(t, st.broker.take(), root+`/Policy/defaultStreamType {"defaultStreamType":"default","taskId":""} retained`)
	st.admin.want("PUT", path, `{"input":{"name":"blue","is_default":1}}`, 200, "true")
	st.admin.want("GET", path, "", 200, `"name":"blue","entities_id":`+fmt.Sprint(st.entity)+`,"is_recursive":0,"is_default":0`)
	st.admin.want("DELETE", fmt.Sprintf("/PluginFlyvemdmFleet/%d", home), "", 400, noPermission)
	st.admin.want("PUT", fmt.Sprintf("/PluginFlyvemdmFleet/%d", home), `{"input":{"is_recursive":1,"name":"rest"}}`, 200, "true")
	st.admin.want("GET", fmt.Sprintf("/PluginFlyvemdmFleet/%d", home), "", 200, `"is_recursive":0`)

	st.admin.want("PUT", d.path(), fmt.Sprintf(`{"input":{"plugin_flyvemdm_fleets_id":%d}}`, id), 200, "true")
	task := st.add("PluginFlyvemdmTask", fmt.Sprintf(`{"itemtype_applied":"PluginFlyvemdmFleet","items_id_applied":%d,"plugin_flyvemdm_policies_id":21,"value":1}`, id))
	st.broker.take()
	st.admin.want("DELETE", path, "", 200, `true,"message":""`)
	sameMessages(t, st.broker.take(),
		d.topic+`/Command/Subscribe {"subscribe":[{"topic":null}]} retained`,
		fmt.Sprintf(`%s/Policy/disableBluetooth/Task/%d {"disableBluetooth":"default","taskId":"%d"} retained`, root, task, task),
		root+`/ui  retained`)
	st.admin.want("GET", d.path(), "", 200, fmt.Sprintf(`"plugin_flyvemdm_fleets_id":%d`, home))
}

// TestPolicies compares an item with the list.
func TestPolicies(t *testing.T) {
	st := newStage(t)
	st.admin.want("GET", "/PluginFlyvemdmPolicy/9", "", 200, `"type_data":"\"\""`)
	st.admin.want("GET", "/PluginFlyvemdmPolicy?searchText[symbol]=passwordMinLength", "", 200, `"type_data":"{\"min\":\"0\"}"`)
	st.admin.want("GET", "/PluginFlyvemdmPolicy/41", "", 200, `"type_data":"{\"RINGER_MODE_NORMAL\":\"Normal\"`)
	st.admin.want("POST", "/PluginFlyvemdmPolicy", `{"input":{"name":"x"}}`, 400, noPermission)
	if w := st.admin.want("GET", "/PluginFlyvemdmPolicy?range=0-99&get_hateoas=false", "", 200, ""); strings.Count(w.Body.String(), `"symbol"`) != 41 {
		t.Errorf("%d policies", strings.Count(w.Body.String(), `"symbol"`))
	}
	for _, closed := range []string{"Mqttuser", "Mqttacl", "Config", "Profile", "Graph"} {
		st.admin.want("GET", "/PluginFlyvemdm"+closed, "", 401, "ERROR_RIGHT_MISSING")
	}
}
