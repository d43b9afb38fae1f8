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
	}
}

func computerType() *Itemtype {
	children := []string{"ReservationItem", "Document_Item", "Contract_Item", "Infocom", "Item_Ticket", "Item_Project", "NetworkPort"}
	for _, device := range strings.Fields(`Motherboard Firmware Processor Memory HardDrive NetworkCard Drive Battery GraphicCard
		SoundCard Control Pci Case PowerSupply Generic Simcard Sensor`) {
		children = append(children, "Item_Device"+device)
	}
	return &Itemtype{
		Name: "Computer", Title: "Computer", Table: "glpi_computers", Right: "computer", Entity: Recursive,
		Children: children, Display: []int{31, 23, 5, 4, 40, 45, 3, 19, 17},
		Columns: columns(`
			id                   int
			entities_id          int
			name                 text null
			serial               text null
			otherserial          text null
			contact              text null
			contact_num          text null
			users_id_tech        int
			groups_id_tech       int
			comment              text null
			date_mod             datetime
			autoupdatesystems_id int
			locations_id         int
			domains_id           int
			networks_id          int
			computermodels_id    int
			computertypes_id     int
			is_template          int
			template_name        text null
			manufacturers_id     int
			is_deleted           int
			is_dynamic           int
			users_id             int
			groups_id            int
			states_id            int
			ticket_tco           float
			uuid                 text null
			date_creation        datetime
			is_recursive         int`),
		Options: loadOptions("Computer", map[int]func(*Tx, *Row) []Value{
			45: systemOf("OperatingSystem", "operatingsystems_id"),
			46: systemOf("OperatingSystemVersion", "operatingsystemversions_id"),
			41: systemOf("OperatingSystemServicePack", "operatingsystemservicepacks_id"),
			64: systemOf("OperatingSystemKernelVersion", "operatingsystemkernelversions_id"),
			63: systemOf("OperatingSystemEdition", "operatingsystemeditions_id"),
		}),
		Hooks: Hooks{PostDelete: forgetComputer},
	}
}

// systemOf is a name from a computer's operating system.
func systemOf(itemtype, key string) func(*Tx, *Row) []Value {
	return func(tx *Tx, computer *Row) []Value {
		var names []Value
		for _, link := range tx.Find("Item_OperatingSystem", "items_id", computer.ID()) {
			if row := tx.Row(itemtype, link.Int(key)); row != nil && link.Str("itemtype") == "Computer" {
				names = append(names, row.Get("name"))
			}
		}
		return names
	}
}

// forgetComputer removes what hung on a purged computer.
func forgetComputer(tx *Tx, computer *Row) error {
	for _, itemtype := range append(devices, "Item_OperatingSystem", "Document_Item") {
		for _, row := range tx.Find(itemtype, "items_id", computer.ID()) {
			if row.Str("itemtype") == "Computer" {
				tx.Remove(row)
			}
		}
	}
	for _, row := range tx.Find("Computer_SoftwareVersion", "computers_id", computer.ID()) {
		tx.Remove(row)
	}
	return nil
}

// devices are the kinds of parts that the simulator knows of a computer.
var devices = []string{"Item_DeviceFirmware", "Item_DeviceMemory", "Item_DeviceSimcard"}

// withParts adds what the with_* parameters ask for.
func (r *request) withParts(row *Row, object *Object) {
	for _, p := range []struct {
		param string
		find  func(*request, *Row) any
	}{
		{"devices", (*request).devicesOf}, {"disks", nothing}, {"softwares", (*request).softwaresOf}, {"connections", nothing},
		{"networkports", nothing}, {"infocoms", nothing}, {"contracts", nothing}, {"documents", (*request).documentsOf},
		{"tickets", nothing}, {"problems", nothing}, {"changes", nothing}, {"notes", nothing}, {"logs", nothing},
	} {
		if r.flag("with_"+p.param, false) {
			object.Set("_"+p.param, p.find(r, row))
		}
	}
}

// nothing is what the simulator has of parts that it does not keep.
func nothing(*request, *Row) any { return List{} }

// devicesOf shows each part as it is, with its links, whatever the call asked for of the computer itself.
func (r *request) devicesOf(row *Row) any {
	r = &request{server: r.server, http: r.http, tx: r.tx}
	parts := Object{}
	for _, itemtype := range devices {
		ofType := Object{}
		for _, device := range r.tx.Find(itemtype, "items_id", row.ID()) {
			if device.Str("itemtype") != row.Type().Name || device.Int("is_deleted") == 1 {
				continue
			}
			object := r.columns(device)
			for _, column := range []string{"items_id", "itemtype", "is_deleted"} {
				object.Del(column)
			}
			r.addLinks(device, &object)
			if links, ok := object.Get("links").(List); ok { // not to itself
				object.Set("links", links[1:])
			}
			ofType.Set(fmt.Sprint(device.ID()), object)
		}
		if len(ofType) > 0 {
			parts.Set(itemtype, ofType)
		}
	}
	return parts
}

func (r *request) softwaresOf(row *Row) any {
	installed := List{}
	for _, link := range r.tx.Find("Computer_SoftwareVersion", "computers_id", row.ID()) {
		version := r.tx.Row("SoftwareVersion", link.Int("softwareversions_id"))
		if version == nil {
			continue
		}
		softwareID, versionID := version.Int("softwares_id"), version.ID()
		object := Object{
			{"softwarecategories_id", 0}, {"softwares_id", softwareID}, {"softwareversions_id", versionID},
			{"is_dynamic", link.Int("is_dynamic")}, {"states_id", version.Int("states_id")}, {"is_valid", 1},
		}
		object.Set("links", List{
			Object{{"rel", "Software"}, {"href", fmt.Sprintf("%s/Software/%d", r.apiURL(), softwareID)}},
			Object{{"rel", "SoftwareVersion"}, {"href", fmt.Sprintf("%s/SoftwareVersion/%d", r.apiURL(), versionID)}},
		})
		installed = append(installed, object)
	}
	return installed
}

func (r *request) documentsOf(row *Row) any {
	documents := Object{}
	for _, link := range r.tx.Find("Document_Item", "items_id", row.ID()) {
		if document := r.tx.Row("Document", link.Int("documents_id")); document != nil && link.Str("itemtype") == row.Type().Name {
			documents.Set(fmt.Sprint(link.ID()), r.columns(document))
		}
	}
	return documents
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
}

func storeDocument(tx *Tx, in Input) error {
	in.Set("users_id", tx.UserID())
	in.Set("tag", fmt.Sprintf("%s-%s-%s", tx.Hex(8), tx.Hex(8), tx.Hex(14)))
	for _, upload := range tx.Uploads() {
		if upload.Part != "filename" {
			continue
		}
		extension := strings.ToLower(strings.TrimPrefix(path.Ext(upload.Name), "."))
		mime, allowed := documentTypes[extension]
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
