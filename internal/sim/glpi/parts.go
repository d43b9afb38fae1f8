package glpi

import (
	"cmp"
	"fmt"
	"slices"
)

// withParts adds what the with_* parameters ask for; GLPI's refusal stands in the place of what the session may not see.
func (r *request) withParts(row *Row, object *Object) {
	for _, p := range []struct {
		name     string
		computer bool   // only computers have them
		right    string // to see them; "": that to see the item
		find     func(*request, *Row) any
	}{
		{"devices", true, "", (*request).devicesOf}, {"disks", true, "", (*request).disksOf},
		{"softwares", true, "software", (*request).softwaresOf}, {"connections", true, "", nothing},
		{"networkports", false, "networking", (*request).networkPortsOf}, {"infocoms", false, "infocom", nothing},
		{"contracts", false, "contract", nothing}, {"documents", false, "document", (*request).documentsOf},
		{"tickets", false, "ticket", nothing}, {"problems", false, "problem", nothing}, {"changes", false, "change", nothing},
		{"notes", false, "", nothing}, {"logs", false, "logs", nothing},
	} {
		switch {
		case !r.flag("with_"+p.name, false), p.computer && row.Type().Name != "Computer":
		case p.right != "" && r.tx.Right(p.right)&Read == 0:
			object.Set("_"+p.name, Object{{"error", 401}, {"message", noPermission}})
		default:
			object.Set("_"+p.name, p.find(r.bare(), row))
		}
	}
}

// bare is the request without its parameters: parts come with their links and with keys, not names, whatever the call
// asked for of the item itself.
func (r *request) bare() *request { return &request{server: r.server, http: r.http, tx: r.tx} }

// nothing is what the simulator has of parts that it does not keep.
func nothing(*request, *Row) any { return List{} }

// without is an object without some of its keys, and with the links that the others make.
func (r *request) without(object Object, keys ...string) Object {
	for _, key := range keys {
		object.Del(key)
	}
	links := List{}
	for _, m := range object {
		target, isKey := r.tx.s.schema.keyed(m.Key)
		if id := Val(m.Val); isKey && !emptyKey(m.Key, id) {
			rel := relation(m.Key)
			if target != nil {
				rel = target.typ.Name
			}
			links = append(links, Object{{"rel", rel}, {"href", fmt.Sprintf("%s/%s/%s", r.apiURL(), rel, id)}})
		}
	}
	if len(links) > 0 {
		object.Set("links", links)
	}
	return object
}

func (r *request) devicesOf(row *Row) any {
	parts := Object{}
	for _, itemtype := range devices {
		ofType := Object{}
		for _, device := range r.tx.linked(itemtype, row) {
			ofType.Set(fmt.Sprint(device.ID()), r.without(r.columns(device), "items_id", "itemtype", "is_deleted"))
		}
		if len(ofType) > 0 {
			parts.Set(itemtype, ofType)
		}
	}
	return parts
}

// disksOf wraps each volume in an object whose only key is "name".
func (r *request) disksOf(row *Row) any {
	disks := List{}
	for _, disk := range r.tx.linked("Item_Disk", row) {
		object := Object{{"fsname", nil}}
		if filesystem := r.tx.Row("Filesystem", disk.Int("filesystems_id")); filesystem != nil {
			object.Set("fsname", filesystem.Get("name"))
		}
		disks = append(disks, Object{{"name", r.without(append(object, r.columns(disk)...), "items_id", "is_deleted")}})
	}
	return disks
}

// softwaresOf names what is installed by ids alone, ordered by the names that it does not show.
func (r *request) softwaresOf(row *Row) any {
	type installation struct{ link, version, software *Row }
	var found []installation
	for _, link := range r.tx.Find("Computer_SoftwareVersion", "computers_id", row.ID()) {
		version := r.tx.Row("SoftwareVersion", link.Int("softwareversions_id"))
		if version == nil || link.Int("is_deleted") == 1 {
			continue
		}
		if software := r.tx.Row("Software", version.Int("softwares_id")); software != nil {
			found = append(found, installation{link, version, software})
		}
	}
	slices.SortStableFunc(found, func(a, b installation) int {
		return cmp.Or(compare(Text, a.software.Get("name"), b.software.Get("name")), compare(Text, a.version.Get("name"), b.version.Get("name")))
	})
	installed := List{}
	for _, f := range found {
		installed = append(installed, r.without(Object{
			{"softwarecategories_id", f.software.Int("softwarecategories_id")}, {"softwares_id", f.software.ID()},
			{"softwareversions_id", f.version.ID()}, {"is_dynamic", f.link.Int("is_dynamic")},
			{"states_id", f.version.Int("states_id")}, {"is_valid", f.software.Int("is_valid")},
		}))
	}
	return installed
}

// networkPortsOf is a computer's ports by kind, of which an inventory makes one only: Ethernet, for wireless ones too.
func (r *request) networkPortsOf(row *Row) any {
	ports := List{}
	for _, port := range r.tx.linked("NetworkPort", row) {
		object := Object{{"netport_id", port.ID()}}
		for _, column := range []string{"entities_id", "is_recursive", "logical_number", "name", "mac", "comment", "is_dynamic"} {
			object.Set(column, port.Get(column))
		}
		kind := r.tx.First("NetworkPortEthernet", "networkports_id", port.ID())
		if kind == nil {
			continue
		}
		object = append(object, r.columns(kind)...)
		if names := r.tx.linked("NetworkName", port); len(names) > 0 {
			object.Set("NetworkName", r.networkName(names[0]))
		}
		ports = append(ports, r.without(object))
	}
	if len(ports) == 0 {
		return ports
	}
	return Object{{"NetworkPortEthernet", ports}}
}

// networkName is a port's name with its addresses; without any it shows an empty one.
func (r *request) networkName(name *Row) Object {
	addresses := List{}
	for _, address := range r.tx.linked("IPAddress", name) {
		addresses = append(addresses, Object{{"id", address.ID()}, {"name", address.Get("name")}, {"IPNetwork", List{}}})
	}
	if len(addresses) == 0 {
		addresses = List{Object{{"id", ""}, {"name", nil}, {"IPNetwork", List{}}}}
	}
	return Object{
		{"id", name.ID()}, {"name", name.Get("name")}, {"fqdns_id", name.Int("fqdns_id")},
		{"FQDN", Object{{"id", name.Int("fqdns_id")}, {"name", nil}, {"fqdn", nil}}}, {"IPAddress", addresses},
	}
}

func (r *request) documentsOf(row *Row) any {
	documents := Object{}
	for _, link := range r.tx.linked("Document_Item", row) {
		if document := r.tx.Row("Document", link.Int("documents_id")); document != nil {
			documents.Set(fmt.Sprint(link.ID()), r.without(r.columns(document)))
		}
	}
	return documents
}
