package glpi

import (
	"fmt"
	"testing"
)

// TestEntityConfig shows inheritance, and who may change what.
func TestEntityConfig(t *testing.T) {
	st := newStage(t)
	path := fmt.Sprintf("/PluginFlyvemdmEntityConfig/%d", st.entity)
	play := `"download_url":"https://play.google.com/store/apps/details?id=org.flyve.mdm.agent"`
	st.admin.want("GET", path, "", 200, play+`,"device_limit":0,"_support_name":-2,"_support_phone":-2,"_support_website":-2,"_support_email":-2,"_support_address":-2,"_download_url":-2`)
	st.admin.want("GET", "/PluginFlyvemdmEntityConfig?get_hateoas=false", "", 200, `"support_name":null,"support_phone":null,"support_website":null,"support_email":null,"support_address":"","managed":0,"download_url":"","device_limit":0}]`)

	put := func(input string, status int, message string) {
		t.Helper()
		st.admin.want("PUT", path, `{"input":`+input+`}`, status, message)
	}
	put(`{"support_name":"ACME help","support_phone":"+33 1 23","enroll_token":"x"}`, 200, "true")
	st.admin.want("GET", path, "", 200, `"support_name":"ACME help","support_phone":"+33 1 23"`)
	st.admin.want("GET", path, "", 200, `"_support_name":-3,"_support_phone":-3,"_support_website":-2`)
	put(`{"support_name":"ACME help"}`, 200, "true") // equal to what is in force: back to inheritance
	st.admin.want("GET", path, "", 200, `"support_name":"","support_phone"`)
	put(`{"agent_token_life":"P30D"}`, 200, "true")
	for _, bad := range []string{"", "7", "P0D", "P181D", "P1M", "P7D "} {
		put(`{"agent_token_life":"`+bad+`"}`, 400, "The agent token life invalid or too long")
	}
	st.do(func(tx *Tx) {
		tx.SetRights(3, map[string]Rights{"flyvemdm:entity": Read | setDownloadURL | setTokenLife})
	})
	root := signIn(t, st.s, "glpi", "glpi")
	root.want("POST", "/User", fmt.Sprintf(`{"input":{"name":"half","password":"pw","password2":"pw","entities_id":%[1]d,"_profiles_id":3,"_entities_id":%[1]d}}`, st.entity), 201, "half")
	half := signIn(t, st.s, "half", "pw")
	half.want("PUT", path, `{"input":{"support_name":"x"}}`, 400, "You are not allowed to change the device limit")

	// a company below inherits, and the root's settings are only in lists and getMultipleItems
	root = signIn(t, st.s, "glpi", "glpi")
	root.want("POST", "/Entity", fmt.Sprintf(`{"input":{"name":"Paris","entities_id":%d}}`, st.entity), 201, "id")
	root = signIn(t, st.s, "glpi", "glpi")
	paris := 0
	st.do(func(tx *Tx) { paris = tx.First("Entity", "name", "Paris").ID() })
	root.want("GET", fmt.Sprintf("/PluginFlyvemdmEntityConfig/%d", paris), "", 200, `"support_phone":"+33 1 23"`)
	root.want("GET", "/getMultipleItems?items[0][itemtype]=PluginFlyvemdmEntityConfig&items[0][items_id]=0", "", 200, `[{"id":0,"entities_id":0,`)
	root.want("GET", "/PluginFlyvemdmEntityConfig?searchText[entities_id]=^0$&get_hateoas=false", "", 200, `[{"id":0,`)
	root.want("PUT", "/PluginFlyvemdmEntityConfig", `{"input":{"id":0,"support_name":"Root help"}}`, 200, `[{"0":true`)
	st.admin.want("GET", path, "", 200, `"support_name":"Root help"`)
}

// TestGeolocationHoles shows positions that anybody may read and delete by id.
func TestGeolocationHoles(t *testing.T) {
	st := newStage(t)
	d := st.enrol("ann@acme.test", "SER1")
	for _, c := range []struct{ input, message string }{
		{`{"latitude":"1","longitude":"2","date":"2026-11-21 10:00:00"}`, "associated device is mandatory"},
		{fmt.Sprintf(`{"computers_id":%d,"latitude":"1"}`, d.computer), "latitude and longitude are mandatory"},
		{fmt.Sprintf(`{"computers_id":%d,"latitude":"200","longitude":"2"}`, d.computer), "latitude is invalid"},
		{fmt.Sprintf(`{"computers_id":%d,"latitude":"1","longitude":"east"}`, d.computer), "longitude is invalid"},
		{`{"computers_id":9999,"latitude":"1","longitude":"2"}`, "Device not found"},
	} {
		st.admin.want("POST", "/PluginFlyvemdmGeolocation", `{"input":`+c.input+`}`, 400, `["ERROR_GLPI_ADD","`+c.message+`"]`)
	}
	st.add("PluginFlyvemdmGeolocation", fmt.Sprintf(`{"computers_id":%d,"latitude":"48.85","longitude":"2.35","date":"2026-11-21 10:00:00"}`, d.computer))
	_, globex := company(t, st.s, "globex")
	globex.want("GET", "/PluginFlyvemdmGeolocation", "", 200, "[]")
	globex.want("GET", "/PluginFlyvemdmGeolocation/1", "", 200, `"latitude":48.85`)
	globex.want("DELETE", "/PluginFlyvemdmGeolocation/1", "", 200, "true")
}
