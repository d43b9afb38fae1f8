package glpi

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// phoneXML is the inventory of a phone with everything that the simulator reads.
const phoneXML = `<?xml version="1.0" encoding="UTF-8"?><REQUEST><QUERY>INVENTORY</QUERY><DEVICEID>SER1-2026</DEVICEID><CONTENT>
<HARDWARE><NAME>phone</NAME><OSNAME>Android</OSNAME><OSVERSION>8.0</OSVERSION><ARCHNAME>aarch64</ARCHNAME><UUID>uuid-1</UUID><MEMORY>1961</MEMORY></HARDWARE>
<BIOS><BMANUFACTURER>bq</BMANUFACTURER><SMODEL>Aquaris</SMODEL><SSN>SER1</SSN></BIOS>
<OPERATINGSYSTEM><NAME>Android</NAME><VERSION>8.0</VERSION><KERNEL_VERSION>3.10.54</KERNEL_VERSION><SERVICE_PACK>2018-01-05</SERVICE_PACK></OPERATINGSYSTEM>
<CPUS><NAME>MT8163A</NAME><SPEED>1500</SPEED><CORE>4</CORE><THREAD>4</THREAD></CPUS>
<BATTERIES><CHEMISTRY>Li-ion</CHEMISTRY><VOLTAGE>4200</VOLTAGE><CAPACITY>7280</CAPACITY></BATTERIES>
<DRIVES><VOLUMN>/dev/block/dm-0</VOLUMN><TYPE>/data</TYPE><FILESYSTEM>ext4</FILESYSTEM><TOTAL>11800</TOTAL><FREE>4200</FREE></DRIVES>
<SIMCARDS><SERIAL>8933012345678901234</SERIAL><SUBSCRIBER_ID>2080112345</SUBSCRIBER_ID></SIMCARDS>
<NETWORKS><TYPE>WIFI</TYPE><MACADDR>02:00:00:00:00:0A</MACADDR><IPADDRESS>10.0.0.7</IPADDRESS><SPEED>65</SPEED></NETWORKS>
<SOFTWARES><NAME>Maps</NAME><VERSION>9.1</VERSION><PUBLISHER>Google</PUBLISHER></SOFTWARES>
</CONTENT></REQUEST>`

const allParts = "?with_devices=true&with_disks=true&with_softwares=true&with_networkports=true"

// upload sends an inventory as the agent does.
func (d device) upload(st *stage, xml string) {
	st.t.Helper()
	body := fmt.Sprintf(`{"input":{"_inventory":"%s"}}`, base64.StdEncoding.EncodeToString([]byte(xml)))
	d.session.want("PUT", d.path(), body, 200, "true")
}

// TestInventoryParts uploads an inventory and reads the parts as the record 410-Computer-get-with shows them: devices by
// class and id, disks wrapped in "name", software by ids alone, ports by kind, all with links and with keys that
// expand_dropdowns leaves alone.
func TestInventoryParts(t *testing.T) {
	st := newStage(t)
	d := st.enrol("ann@acme.test", "SER1")
	d.upload(st, phoneXML)
	body := st.admin.want("GET", fmt.Sprintf("/Computer/%d%s&expand_dropdowns=true", d.computer, allParts), "", 200, "").Body.String()
	for _, part := range []string{
		`"Item_DeviceFirmware":{"1":{"id":1,"devicefirmwares_id":1,`,
		`"Item_DeviceProcessor":{"1":{"id":1,"deviceprocessors_id":1,"frequency":1500,"serial":"","is_dynamic":1,"entities_id":0,"is_recursive":0,"nbcores":4,"nbthreads":4,`,
		`"size":1961,"serial":"","is_dynamic":1,"entities_id":0,"is_recursive":0,"busID":"",`,
		`"links":[{"rel":"DeviceMemory","href":"http://glpi.test/apirest.php/DeviceMemory/1"},{"rel":"Entity","href":"http://glpi.test/apirest.php/Entity/0"}]`,
		`"Item_DeviceBattery":{"1":{"id":1,"devicebatteries_id":1,`,
		`"serial":8933012345678901234,`,
		`"_disks":[{"name":{"fsname":"ext4","id":1,"entities_id":`,
		`"device":"/dev/block/dm-0","mountpoint":"/data","filesystems_id":1,"totalsize":11800,"freesize":4200,"is_dynamic":1,`,
		`"_networkports":{"NetworkPortEthernet":[{"netport_id":1,`, `"mac":"02:00:00:00:00:0a","comment":null,"is_dynamic":1,"id":1,"networkports_id":1,`,
		`"NetworkName":{"id":1,"name":null,"fqdns_id":0,"FQDN":{"id":0,"name":null,"fqdn":null},"IPAddress":[{"id":1,"name":"10.0.0.7","IPNetwork":[]}]},"links":[{"rel":"UNKNOWN",`,
	} {
		if !strings.Contains(body, part) {
			t.Errorf("no %s in %s", part, body)
		}
	}
	for path, designation := range map[string]string{"DeviceProcessor/1": "MT8163A", "DeviceBattery/1": "Li-ion", "DeviceSimcard/1": "Simcard"} {
		st.admin.want("GET", "/"+path, "", 200, `"designation":"`+designation+`"`)
	}
	// Android counts as an application, and comes before Maps.
	if got := regexp.MustCompile(`"softwareversions_id":\d+`).FindAllString(body, -1); len(got) != 2 {
		t.Errorf("installed: %v", got)
	}
}

// TestInventoryAgain sends another inventory: parts keep their ids, what is gone goes, and what it does not mention stays.
func TestInventoryAgain(t *testing.T) {
	st := newStage(t)
	d := st.enrol("ann@acme.test", "SER1")
	d.upload(st, phoneXML)
	again := strings.NewReplacer("<FREE>4200", "<FREE>17", "<IPADDRESS>10.0.0.7</IPADDRESS>", "", "Maps", "Chess", "<VERSION>8.0", "<VERSION>9.0").Replace(phoneXML)
	d.upload(st, regexp.MustCompile(`<BATTERIES>.*</BATTERIES>`).ReplaceAllString(again, ""))
	path := fmt.Sprintf("/Computer/%d", d.computer)
	body := st.admin.want("GET", path+allParts, "", 200, "").Body.String()
	for _, part := range []string{`"freesize":17,`, `"IPAddress":[{"id":"","name":null,"IPNetwork":[]}]`, `"Item_DeviceBattery":{"1":`} {
		if !strings.Contains(body, part) {
			t.Errorf("no %s in %s", part, body)
		}
	}
	st.do(func(tx *Tx) {
		var names []string
		for _, link := range tx.Find("Computer_SoftwareVersion", "computers_id", d.computer) {
			version := tx.Row("SoftwareVersion", link.Int("softwareversions_id"))
			names = append(names, tx.Row("Software", version.Int("softwares_id")).Name()+" "+version.Name())
		}
		if got := strings.Join(names, ", "); got != "Android 9.0, Chess 9.1" && got != "Chess 9.1, Android 9.0" {
			t.Errorf("installed: %s", got)
		}
	})
	st.admin.want("GET", path+"/Item_OperatingSystem?expand_dropdowns=true", "", 200,
		`"operatingsystems_id":"Android","operatingsystemversions_id":9,"operatingsystemservicepacks_id":"2018-01-05","operatingsystemarchitectures_id":"aarch64","operatingsystemkernelversions_id":"3.10.54"`)
	st.admin.want("DELETE", path, `{"force_purge":true}`, 200, "true")
	st.do(func(tx *Tx) {
		for _, itemtype := range append([]string{"Item_Disk", "NetworkPort", "NetworkPortEthernet", "NetworkName", "IPAddress", "Computer_SoftwareVersion"}, devices...) {
			if rows := tx.Rows(itemtype); len(rows) != 0 {
				t.Errorf("%d rows of %s outlive the computer", len(rows), itemtype)
			}
		}
	})
}

// TestPartsWithoutRight: what may not be seen is an error inside the item, not one of the call.
func TestPartsWithoutRight(t *testing.T) {
	st := newStage(t)
	d := st.enrol("ann@acme.test", "SER1")
	st.s.Grant("Super-Admin", map[string]Rights{"software": 0, "networking": 0})
	admin := signIn(t, st.s, "glpi", "glpi")
	const refusal = `{"error":401,"message":"You don't have permission to perform this action."}`
	path := fmt.Sprintf("/Computer/%d", d.computer)
	admin.want("GET", path+allParts, "", 200, `"_softwares":`+refusal+`,"_networkports":`+refusal)
	multiple := fmt.Sprintf("/getMultipleItems?items[0][itemtype]=Computer&items[0][items_id]=%d&with_softwares=true", d.computer)
	admin.want("GET", multiple, "", 200, `"_softwares":`+refusal)
	admin.want("GET", path+"/NetworkPort", "", 401, "ERROR_RIGHT_MISSING")
}

// TestSeededParts looks at what the demonstration's phones are made of, through every door.
func TestSeededParts(t *testing.T) {
	s := newServer(t, Options{})
	demo := s.SeedDemo(DemoOptions{Devices: 40, Seed: 5})
	acme, viewer := signIn(t, s, "admin@acme.test", DemoPassword), signIn(t, s, "viewer@acme.test", DemoPassword)
	globex := signIn(t, s, "admin@globex.test", DemoPassword)
	d := demo.Devices[0] // of ACME Paris
	path := fmt.Sprintf("/Computer/%d", d.ComputerID)
	body := acme.want("GET", path+allParts+"&get_hateoas=false", "", 200, `"_disks":[{"name":{"fsname":"ext4","id":1,`).Body.String()
	if seen := viewer.want("GET", path+allParts+"&get_hateoas=false", "", 200, "").Body.String(); seen != body {
		t.Errorf("the viewer sees %s\nthe administrator %s", seen, body)
	}
	if installed := strings.Count(body, "softwareversions_id"); installed < preinstalled || installed > 2*40 {
		t.Errorf("%d applications", installed)
	}
	globex.want("GET", path+allParts, "", 401, "ERROR_RIGHT_MISSING")
	acme.want("GET", path+"/Item_Disk", "", 200, `"mountpoint":"/data"`)
	acme.want("GET", path+"/Item_DeviceProcessor", "", 200, "[]") // its entity is 0, the root's
	acme.want("GET", "/Item_DeviceProcessor/1", "", 200, `"nbcores":`)
	sim := acme.want("GET", path+"/Item_DeviceSimcard?get_hateoas=false", "", 200, `"pin":`).Body.String()
	line := regexp.MustCompile(`"lines_id":(\d+)`).FindStringSubmatch(sim)[1]
	acme.want("GET", "/Line/"+line+"?expand_dropdowns=true", "", 200, `"caller_num":`)
	globex.want("GET", "/Line/"+line, "", 401, "ERROR_RIGHT_MISSING")
	acme.want("GET", "/search/Computer?criteria[0][field]=5&criteria[0][searchtype]=contains&criteria[0][value]=^"+d.Serial+"$&forcedisplay[0]=150&forcedisplay[1]=126&forcedisplay[2]=17", "", 200, `"126":"10.`)
}

// TestSeededPartsAreMadeOnce: the ids of parts do not depend on who is looked at first, and new ones come after them.
func TestSeededPartsAreMadeOnce(t *testing.T) {
	world := func() *client {
		s := newServer(t, Options{})
		s.SeedDemo(DemoOptions{Devices: 12, Seed: 5})
		return signIn(t, s, "glpi", "glpi")
	}
	one, two := world(), world()
	last := one.want("GET", "/Computer/9"+allParts, "", 200, "").Body.String()
	two.want("GET", "/Item_Disk?range=0-99", "", 200, "/data")
	if got := two.want("GET", "/Computer/9"+allParts, "", 200, "").Body.String(); got != last {
		t.Errorf("%s\nand\n%s", got, last)
	}
	one.want("POST", "/Line", `{"input":{"name":"spare"}}`, 201, fmt.Sprintf(`{"id":%d,`, 13*partsEach+1))
}

// TestFewPartsAreMade: what is asked of one computer, or of what is not a part, does not make the parts of all.
func TestFewPartsAreMade(t *testing.T) {
	s := newServer(t, Options{})
	s.SeedDemo(DemoOptions{Devices: 30, Seed: 5})
	c := signIn(t, s, "glpi", "glpi")
	c.want("GET", "/search/Computer?"+criteria("46", "contains", "11", "OR", "70", "contains", "Dupont")+"&forcedisplay[0]=2", "", 200, `"totalcount":`)
	c.want("GET", "/PluginFlyvemdmAgent?range=0-99", "", 200, `"computers_id":`)
	c.want("GET", "/Computer/3"+allParts, "", 200, `"_devices":{`)
	c.want("GET", fmt.Sprintf("/Item_Disk/%d", 3*partsEach+1), "", 200, `"items_id":4,`)
	if n := len(s.unseen); n != 28 {
		t.Errorf("%d computers are without parts, wanted all but two", n)
	}
	c.want("GET", "/Item_Disk?range=0-999", "", 200, `"items_id":30,`)
	if n := len(s.unseen); n != 0 {
		t.Errorf("%d computers are without parts after a list of them", n)
	}
}

// TestLinesOfSeededPhones: some numbers reach JSON as numbers, so without their zero, as 252 shows of a person's.
func TestLinesOfSeededPhones(t *testing.T) {
	s := newServer(t, Options{})
	s.SeedDemo(DemoOptions{Devices: 40, Seed: 5})
	lines := signIn(t, s, "glpi", "glpi").want("GET", "/Line?range=0-99", "", 200, "").Body.String()
	for _, number := range []string{`"caller_num":"\+33 [67] \d\d \d\d \d\d \d\d"`, `"caller_num":[67]\d{8},`} {
		if !regexp.MustCompile(number).MatchString(lines) {
			t.Errorf("no line has %s", number)
		}
	}
}
