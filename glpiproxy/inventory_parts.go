package glpiproxy

// The types below tell what the parts of an inventory are. They are read with names in the place of keys.

// SoftwareVersion is a version of an application that can be installed on computers.
type SoftwareVersion struct {
	ID      int    `json:"id"`
	Version string `json:"name"`         // GLPI answers "10.0" as the number 10
	Name    string `json:"softwares_id"` // of the application
}

// DeviceProcessor is a model of a processor.
type DeviceProcessor struct {
	ID    int    `json:"id"`
	Name  string `json:"designation"`
	Maker string `json:"manufacturers_id"`
}

// DeviceBattery is a model of a battery.
type DeviceBattery struct {
	ID       int    `json:"id"`
	Name     string `json:"designation"`
	Maker    string `json:"manufacturers_id"`
	Type     string `json:"devicebatterytypes_id"` // "Li-ion"
	Voltage  int    `json:"voltage"`               // millivolts, 0: unknown
	Capacity int    `json:"capacity"`              // milliampere hours, 0: unknown
}

// DeviceSimcard is a kind of SIM card.
type DeviceSimcard struct {
	ID   int    `json:"id"`
	Name string `json:"designation"` // "nano-SIM"
}

// Line is a contract with a telephone company.
type Line struct {
	ID       int    `json:"id"`
	Name     string `json:"name"`
	Number   string `json:"caller_num"` // without leading zeros and a plus sign, which GLPI's API loses
	Operator string `json:"lineoperators_id"`
}

func (SoftwareVersion) itemtype() string { return "SoftwareVersion" }
func (DeviceProcessor) itemtype() string { return "DeviceProcessor" }
func (DeviceBattery) itemtype() string   { return "DeviceBattery" }
func (DeviceSimcard) itemtype() string   { return "DeviceSimcard" }
func (Line) itemtype() string            { return "Line" }

func (i SoftwareVersion) id() int { return i.ID }
func (i DeviceProcessor) id() int { return i.ID }
func (i DeviceBattery) id() int   { return i.ID }
func (i DeviceSimcard) id() int   { return i.ID }
func (i Line) id() int            { return i.ID }

// complete makes the key 0, which stays where there is no name for it, no name.
func (i *SoftwareVersion) complete(row) { i.Name = nameOf(i.Name) }
func (i *DeviceProcessor) complete(row) { i.Maker = nameOf(i.Maker) }
func (i *DeviceBattery) complete(row)   { i.Maker, i.Type = nameOf(i.Maker), nameOf(i.Type) }
func (i *Line) complete(row)            { i.Operator = nameOf(i.Operator) }

func nameOf(text string) string {
	if text == "0" {
		return ""
	}
	return text
}
