package glpi

import (
	"fmt"
	"strings"
	"testing"
)

// TestUserEmailTrap: a positive key of _useremails is the id of an address, which is edited whoever it belongs to.
func TestUserEmailTrap(t *testing.T) {
	st := newStage(t)
	other, _ := company(t, st.s, "globex")
	victim := rowID(t, st.s, "UserEmail", "email", "admin@globex.test")
	post := func(name, emails string) {
		t.Helper()
		st.admin.want("POST", "/User", fmt.Sprintf(`{"input":{"name":%q,"_useremails":%s}}`, name, emails), 201, "Item successfully added")
	}
	post("one", `["one@acme.test"]`)
	post("two", `{"-1":"two@acme.test"}`)
	post("three", `{"`+victim+`":"three@acme.test"}`)
	post("four", `["not an email"]`)
	owner := map[string]string{"one@acme.test": "one", "two@acme.test": "two", "three@acme.test": "admin.globex", "not an email": "four"}
	st.do(func(tx *Tx) {
		for address, login := range owner {
			row := tx.First("UserEmail", "email", address)
			if row == nil || tx.Row("User", row.Int("users_id")).Str("name") != login {
				t.Errorf("%s is not %s's", address, login)
			}
		}
	})
	post("five", `{"`+victim+`":""}`)
	st.do(func(tx *Tx) {
		if row := tx.First("UserEmail", "email", "three@acme.test"); row != nil {
			t.Errorf("the address of entity %d's administrator is still there", other)
		}
	})
}

// TestGrants: nobody grants a profile that may do more than his own.
func TestGrants(t *testing.T) {
	st := newStage(t)
	user := st.add("User", fmt.Sprintf(`{"name":"bob","_profiles_id":1,"_entities_id":%d}`, st.entity))
	clerk := 0
	st.do(func(tx *Tx) {
		row := tx.AddProfile("Clerk", "")
		clerk = row.ID()
		tx.SetRights(clerk, map[string]Rights{"user": Standard})
		boss := tx.Insert("User", map[string]any{"name": "clerk", "password": hashPassword("clerk")})
		tx.Insert("Profile_User", map[string]any{"users_id": boss.ID(), "profiles_id": clerk, "entities_id": st.entity, "is_recursive": 1})
	})
	c := signIn(t, st.s, "clerk", "clerk")
	grant := func(profile int) string {
		return fmt.Sprintf(`{"input":{"users_id":%d,"profiles_id":%d,"entities_id":%d}}`, user, profile, st.entity)
	}
	c.want("POST", "/Profile_User", grant(superAdmin), 400, noPermission)
	c.want("POST", "/Profile_User", grant(clerk), 201, `"id":`)
	st.admin.want("POST", "/Profile_User", grant(superAdmin), 201, `"id":`)
	list := c.want("GET", fmt.Sprintf("/User/%d/Profile_User?get_hateoas=false", user), "", 200, "").Body.String()
	if strings.Count(list, `"profiles_id":`) != 3 {
		t.Errorf("grants %s", list)
	}
	st.admin.want("GET", fmt.Sprintf("/User/%d/Profile_User?expand_dropdowns=true", user), "", 200, `"profiles_id":"Super-Admin","entities_id":"Root entity > acme"`)
}

// TestSeededWords finds what people and computers of the demonstration point at, and a number that lost its zeros.
func TestSeededWords(t *testing.T) {
	s := newServer(t, Options{})
	s.SeedDemo(DemoOptions{Devices: 60, Seed: 1})
	acme := signIn(t, s, "admin@acme.test", DemoPassword)
	for _, itemtype := range []string{"UserTitle", "UserCategory", "Profile", "ComputerType", "Manufacturer", "LineOperator", "State"} {
		if itemtype == "State" || itemtype == "LineOperator" { // the root's, for all below: found by searches, not by lists
			acme.want("GET", "/"+itemtype, "", 200, "[]")
			acme.want("GET", "/"+itemtype+"/1", "", 200, `"id":1`)
			continue
		}
		acme.want("GET", "/"+itemtype, "", 200, `"id":1,`)
	}
	acme.want("GET", "/Location", "", 200, `"completename":"Paris > Head office"`)
	acme.want("GET", "/User?range=0-99", "", 200, `"registration_number":1`)
	acme.want("GET", "/search/Computer?criteria[0][field]=31&criteria[0][searchtype]=contains&criteria[0][value]=In+use&forcedisplay[0]=4&forcedisplay[1]=3", "", 206, `"31":"In use"`)
}
