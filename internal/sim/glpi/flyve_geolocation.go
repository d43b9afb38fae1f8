package glpi

import (
	"strconv"
	"time"
)

func geolocationType() *Itemtype {
	return &Itemtype{
		Name: "PluginFlyvemdmGeolocation", Title: "Geolocation", Table: "glpi_plugin_flyvemdm_geolocations",
		Right: "flyvemdm:geolocation",
		Columns: columns(`
			id           int
			computers_id int
			latitude     text na
			longitude    text na
			date         datetime`),
		Options: loadOptions("PluginFlyvemdmGeolocation", nil),
		Hooks: Hooks{
			PrepareAdd: preparePosition, PrepareUpdate: changePosition,
			ListFilter: func(tx *Tx, row *Row) bool { // by the computer, which an item GET never looks at
				computer := tx.Row("Computer", row.Int("computers_id"))
				return computer != nil && tx.Sees(computer.Int("entities_id"))
			},
		},
	}
}

// preparePosition checks a new position. A device gives its own id, a Unix time, stored in UTC, and maybe that its GPS is
// off; nobody checks that the computer is its own.
func preparePosition(tx *Tx, in Input) error {
	if tx.isDevice() {
		if !in.Has("_agents_id") {
			return Refuse("Agent ID is mandatory")
		}
		if in.Str("_gps") == "off" {
			in.Set("latitude", "na")
			in.Set("longitude", "na")
		}
		if in.Has("_datetime") {
			in.Set("date", time.Unix(int64(in.Int("_datetime")), 0).UTC().Format(dateLayout))
		}
	}
	if in.Int("computers_id") == 0 {
		return Refuse("associated device is mandatory")
	}
	if err := checkPosition(in); err != nil {
		return err
	}
	if tx.Row("Computer", in.Int("computers_id")) == nil {
		return Refuse("Device not found")
	}
	return nil
}

func changePosition(_ *Tx, _ *Row, in Input) error { return checkPosition(in) }

func checkPosition(in Input) error {
	if !in.Has("latitude") || !in.Has("longitude") {
		return Refuse("latitude and longitude are mandatory")
	}
	for _, axis := range []string{"latitude", "longitude"} {
		if text := in.Str(axis); text != "na" {
			if degrees, err := strconv.ParseFloat(text, 64); err != nil || degrees < -180 || degrees > 180 {
				return Refuse("%s is invalid", axis)
			}
		}
	}
	return nil
}

// unixDate is a Unix time as the store holds moments, in the server's time zone.
func (tx *Tx) unixDate(at int) string {
	return time.Unix(int64(at), 0).In(tx.s.opts.Location).Format(dateLayout)
}
