package glpi

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"
)

// libraries gives each company files and applications to deploy.
func (g *seeder) libraries() {
	for _, at := range []*site{g.sites[3], g.sites[1]} {
		name := strings.TrimSuffix(at.domain, ".test")
		g.file(at.entity, "welcome.txt", "Welcome to "+name+".\nCall the help desk when your phone does not listen.\n")
		g.file(at.entity, "rules & duties.txt", strings.Repeat("Keep your phone charged, updated and with you.\n", 400))
		g.application(at.entity, "Fleet Chat", "test."+name+".chat", "3.4.1", "341", color.RGBA{0x2f, 0x6f, 0xd0, 0xff})
		g.application(at.entity, "Delivery Notes", "test."+name+".notes", "1.10", "27", color.RGBA{0xd0, 0x6f, 0x2f, 0xff})
		g.file(at.entity, "site plan.png", strings.Repeat("\x89PNG not really, but long enough to show. ", 1000)[:2*chunk+1]) // of which the last byte never comes
		g.file(at.entity, "price list.csv", "article;price\ncable;4,90\ncharger;19,90\n")
		g.unparsed(at.entity, "Timesheet (new)", "timesheet.apk", "pending", archive("classes.dex", "not an application"))
		g.unparsed(at.entity, "Broken", "broken.apk", "failed", []byte("no archive at all"))
	}
}

func (g *seeder) file(entity int, name, text string) {
	row := g.tx.Insert("PluginFlyvemdmFile", map[string]any{
		"name": cleaner.Replace(name), "source": fmt.Sprintf("%d/%s_%s", entity, g.tx.Hex(13), name), "entities_id": entity,
		"comment": "Made for the demonstration",
	})
	g.tx.writeFile(row, []byte(text))
}

func (g *seeder) application(entity int, alias, id, version, code string, tint color.Color) {
	file := strings.ReplaceAll(alias, " ", "") + ".apk"
	row := g.tx.Insert("PluginFlyvemdmPackage", map[string]any{
		"name": file, "package_name": id, "alias": alias, "version": version, "version_code": code, "icon": icon(tint),
		"filename": fmt.Sprintf("flyvemdm/package/%d/%s_%s", entity, g.tx.Hex(13), file), "entities_id": entity, "dl_filename": file,
		"parse_status": "parsed",
	})
	g.tx.writeFile(row, Application(id, version, code))
}

// unparsed is an application that the plugin could make nothing of.
func (g *seeder) unparsed(entity int, alias, file, status string, data []byte) {
	row := g.tx.Insert("PluginFlyvemdmPackage", map[string]any{
		"alias": alias, "filename": fmt.Sprintf("flyvemdm/package/%d/%s_%s", entity, g.tx.Hex(13), file), "entities_id": entity,
		"dl_filename": file, "parse_status": status,
	})
	g.tx.writeFile(row, data)
}

// icon is a small square as the plugin keeps icons: base64 of a PNG.
func icon(tint color.Color) string {
	img := image.NewRGBA(image.Rect(0, 0, 16, 16))
	for y := range 16 {
		for x := range 16 {
			img.Set(x, y, tint)
		}
	}
	var b bytes.Buffer
	if png.Encode(&b, img) != nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

// policies applies some to fleets and to a few agents, with statuses as devices report them.
func (g *seeder) policies() {
	for i, at := range g.sites {
		for j, fleet := range at.fleets[1:] {
			g.apply(fleet, "passwordEnabled", "PASSWORD_PIN")
			if (i+j)%2 == 0 {
				g.apply(fleet, "disableCamera", "1")
			} else {
				g.apply(fleet, "passwordMinLength", "6")
			}
			if j == 0 {
				g.deploy(fleet, i)
			}
		}
	}
	for i := 3; i < len(g.devices) && i < 120; i += 17 {
		g.apply(g.tx.Row("PluginFlyvemdmAgent", g.devices[i].AgentID), "disableBluetooth", "1")
	}
}

// deploy sends a company's welcome file, or its chat, to a fleet.
func (g *seeder) deploy(fleet *Row, i int) {
	company := g.sites[3].entity
	if i == 1 {
		company = g.sites[1].entity
	}
	if i%2 == 0 {
		app := g.tx.First("PluginFlyvemdmPackage", "entities_id", company)
		g.task(fleet, "deployApp", `{"remove_on_delete":"1"}`, app)
		return
	}
	file := g.tx.First("PluginFlyvemdmFile", "entities_id", company)
	g.task(fleet, "deployFile", `{"destination":"%DOCUMENTS%/","remove_on_delete":"0"}`, file)
}

func (g *seeder) apply(target *Row, symbol, value string) { g.task(target, symbol, value, nil) }

// task applies a policy as the plugin does, publishes it, and lets most devices be done with it.
func (g *seeder) task(target *Row, symbol, value string, item *Row) {
	in := Input{"itemtype_applied": target.Type().Name, "value": value}
	in.Set("items_id_applied", target.ID())
	in.Set("plugin_flyvemdm_policies_id", g.tx.First("PluginFlyvemdmPolicy", "symbol", symbol).ID())
	if item != nil {
		in["itemtype"] = item.Type().Name
		in.Set("items_id", item.ID())
	}
	task := g.must(g.tx.Add("PluginFlyvemdmTask", in))
	statuses := []string{"done", "done", "done", "done", "done", "done", "received", "pending", "pending", "failed", "incompatible"}
	if item != nil {
		statuses = append(statuses, "waiting", "waiting")
	} else {
		statuses = append(statuses, "overriden", "canceled")
	}
	for _, row := range g.tx.Find("PluginFlyvemdmTaskstatus", "plugin_flyvemdm_tasks_id", task.ID()) {
		row.Set("status", pick(g, statuses))
	}
}
