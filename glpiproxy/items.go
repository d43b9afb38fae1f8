package glpiproxy

import "time"

// Item is one of GLPI's item types below. The set is closed: a type that is not
// here can't be read, and a column without a field can't leak. The struct tags
// are GLPI's column names.
type Item interface {
	itemtype() string
	id() int
}

// Agent is a managed device as Flyve MDM knows it (PluginFlyvemdmAgent).
type Agent struct {
	ID               int       `json:"id"`
	Name             string    `json:"name"`
	Version          string    `json:"version"` // of the agent's app
	ComputerID       int       `json:"computers_id"`
	EntityID         int       `json:"entities_id"`
	FleetID          int       `json:"plugin_flyvemdm_fleets_id"` // 0: none
	Wipe             bool      `json:"wipe"`                      // a wipe was requested; never reset by GLPI
	Lock             bool      `json:"lock"`                      // a lock was requested
	Online           bool      `json:"is_online"`                 // GLPI's belief, often stale
	EnrollStatus     string    `json:"enroll_status"`             // enrolled, unenrolling, unenrolled
	MDMType          string    `json:"mdm_type"`                  // android, apple
	NotificationType string    `json:"notification_type"`         // mqtt, fcm
	LastContact      time.Time `json:"last_contact"`              // UTC, zero: never
	LastReport       time.Time `json:"last_report"`               // UTC, zero: never
}

// Fleet is a group of agents (PluginFlyvemdmFleet).
type Fleet struct {
	ID        int    `json:"id"`
	Name      string `json:"name"`
	EntityID  int    `json:"entities_id"`
	Recursive bool   `json:"is_recursive"`
	Default   bool   `json:"is_default"` // the entity's "not managed" fleet: takes no policies
}

// Computer is the inventoried device behind an agent; its user is the owner.
type Computer struct {
	ID             int       `json:"id"`
	Name           string    `json:"name"`
	Serial         string    `json:"serial"`
	OtherSerial    string    `json:"otherserial"`
	UUID           string    `json:"uuid"`
	EntityID       int       `json:"entities_id"`
	UserID         int       `json:"users_id"` // the owner, 0: none
	ModelID        int       `json:"computermodels_id"`
	ManufacturerID int       `json:"manufacturers_id"`
	TypeID         int       `json:"computertypes_id"`
	Comment        string    `json:"comment"`
	CreatedAt      time.Time `json:"date_creation"` // UTC
	ModifiedAt     time.Time `json:"date_mod"`      // UTC
	Deleted        bool      `json:"is_deleted"`
}

// User is a person (or a device's machine account), without any token.
type User struct {
	ID         int       `json:"id"`
	Username   string    `json:"name"`
	FirstName  string    `json:"firstname"`
	LastName   string    `json:"realname"`
	Phone      string    `json:"phone"`
	Phone2     string    `json:"phone2"`
	Mobile     string    `json:"mobile"`
	Active     bool      `json:"is_active"`
	EntityID   int       `json:"entities_id"` // the default entity
	ProfileID  int       `json:"profiles_id"` // the default profile, 0: none chosen
	Language   string    `json:"language"`    // "": the server's
	Comment    string    `json:"comment"`
	LastLogin  time.Time `json:"last_login"` // UTC, zero: never
	ModifiedAt time.Time `json:"date_mod"`   // UTC
	Deleted    bool      `json:"is_deleted"`
	BeginDate  time.Time `json:"begin_date"` // UTC; no sign-in before, zero: no limit
	EndDate    time.Time `json:"end_date"`   // UTC; no sign-in after, zero: no limit
	TitleID    int       `json:"usertitles_id"`
	CategoryID int       `json:"usercategories_id"`
	LocationID int       `json:"locations_id"`

	RegistrationNumber string `json:"registration_number"`
}

// UserEmail is one address of a user; read it through its user.
type UserEmail struct {
	ID      int    `json:"id"`
	UserID  int    `json:"users_id"`
	Email   string `json:"email"`
	Default bool   `json:"is_default"`
}

// Entity is a company or a part of one. The root entity has the id 0 and the
// parent -1.
type Entity struct {
	ID           int    `json:"id"`
	Name         string `json:"name"`
	CompleteName string `json:"completename"` // "Root entity > ACME > ACME Paris"
	ParentID     int    `json:"entities_id"`
	Level        int    `json:"level"` // 1: root
	Comment      string `json:"comment"`
	Phone        string `json:"phonenumber"`
	Website      string `json:"website"`
	Email        string `json:"email"`
	Address      string `json:"address"`
	Postcode     string `json:"postcode"`
	Town         string `json:"town"`
	State        string `json:"state"`
	Country      string `json:"country"`
}

// Invitation lets a user enrol a device (PluginFlyvemdmInvitation). Its token
// has no field here.
type Invitation struct {
	ID        int       `json:"id"`
	UserID    int       `json:"users_id"`
	EntityID  int       `json:"entities_id"`
	Status    string    `json:"status"`          // pending, done
	ExpiresAt time.Time `json:"expiration_date"` // UTC, zero: used up
}

// Policy is a setting that can be applied to fleets and agents
// (PluginFlyvemdmPolicy). Name and comment are translated by GLPI when one item
// is read, and in the installation's language in a list.
type Policy struct {
	ID                int    `json:"id"`
	Name              string `json:"name"`
	Symbol            string `json:"symbol"`
	Group             string `json:"group"`
	Type              string `json:"type"`      // bool, int, string, dropdown, deployapp, removeapp, deployfile, removefile
	TypeData          string `json:"type_data"` // JSON text, "" for none
	Unicity           bool   `json:"unicity"`   // at most once on a target
	CategoryID        int    `json:"plugin_flyvemdm_policycategories_id"`
	Comment           string `json:"comment"`
	DefaultValue      string `json:"default_value"`
	RecommendedValue  string `json:"recommended_value"`
	AndroidSystem     bool   `json:"is_android_system"`   // needs system permission
	AndroidMinVersion string `json:"android_min_version"` // "0": unsupported
	AndroidMaxVersion string `json:"android_max_version"` // "0": no limit
	AppleMinVersion   string `json:"apple_min_version"`
	AppleMaxVersion   string `json:"apple_max_version"`
}

// PolicyCategory groups policies in a tree (PluginFlyvemdmPolicyCategory).
type PolicyCategory struct {
	ID           int    `json:"id"`
	Name         string `json:"name"`
	CompleteName string `json:"completename"`
	ParentID     int    `json:"plugin_flyvemdm_policycategories_id"` // 0: top
	Comment      string `json:"comment"`
	Level        int    `json:"level"`
}

// Geolocation is a reported position of a computer (PluginFlyvemdmGeolocation).
// GLPI doesn't keep companies apart here, so it is read only through a computer:
// Children[Computer, Geolocation].
type Geolocation struct {
	ID         int       `json:"id"`
	ComputerID int       `json:"computers_id"`
	Latitude   float64   `json:"latitude"`  // degrees, 0 when not Available
	Longitude  float64   `json:"longitude"` // degrees, 0 when not Available
	Available  bool      `json:"-"`         // false: the device said that its GPS was off
	At         time.Time `json:"date"`      // UTC
}

// File is something that can be deployed to devices (PluginFlyvemdmFile). Where it
// lies on the server has no field here.
type File struct {
	ID       int    `json:"id"`
	Name     string `json:"name"`
	Comment  string `json:"comment"`
	EntityID int    `json:"entities_id"`
	Version  int    `json:"version"`                   // 1, and one more with each new upload
	Size     int    `json:"filesize" glpi:"computed"`  // bytes; 0 in lists, which don't tell it
	MIMEType string `json:"mime_type" glpi:"computed"` // "" in lists
}

// Application is an Android package that can be deployed (PluginFlyvemdmPackage).
// Its icon, tens of kilobytes, is read by Icons alone.
type Application struct {
	ID          int    `json:"id"`
	Name        string `json:"name"` // of the file
	PackageName string `json:"package_name"`
	Alias       string `json:"alias"`
	Version     string `json:"version"`
	VersionCode string `json:"version_code"`
	EntityID    int    `json:"entities_id"`
	ParseStatus string `json:"parse_status"` // pending, parsed, failed
	// DownloadName is the file name under which it was uploaded.
	DownloadName string `json:"dl_filename"`
	Size         int    `json:"filesize" glpi:"computed"`  // bytes; 0 in lists, which don't tell it
	MIMEType     string `json:"mime_type" glpi:"computed"` // "" in lists
}

// Dropdown is an entry of one of GLPI's lists of names.
type Dropdown struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
}

// ComputerModel is a device model.
type ComputerModel struct{ Dropdown }

// ComputerType is a kind of computer ("Smartphone").
type ComputerType struct{ Dropdown }

// Manufacturer is a maker of devices.
type Manufacturer struct{ Dropdown }

// OperatingSystem is an operating system without its version.
type OperatingSystem struct{ Dropdown }

// OperatingSystemVersion is a version of an operating system.
type OperatingSystemVersion struct{ Dropdown }

// InstalledOperatingSystem says which system runs on a computer
// (Item_OperatingSystem): Children[Computer, InstalledOperatingSystem].
type InstalledOperatingSystem struct {
	ID                int `json:"id"`
	ComputerID        int `json:"items_id"`
	OperatingSystemID int `json:"operatingsystems_id"`
	VersionID         int `json:"operatingsystemversions_id"`
}

func (Agent) itemtype() string                    { return "PluginFlyvemdmAgent" }
func (Fleet) itemtype() string                    { return "PluginFlyvemdmFleet" }
func (Computer) itemtype() string                 { return "Computer" }
func (User) itemtype() string                     { return "User" }
func (UserEmail) itemtype() string                { return "UserEmail" }
func (Entity) itemtype() string                   { return "Entity" }
func (Invitation) itemtype() string               { return "PluginFlyvemdmInvitation" }
func (Policy) itemtype() string                   { return "PluginFlyvemdmPolicy" }
func (PolicyCategory) itemtype() string           { return "PluginFlyvemdmPolicyCategory" }
func (Geolocation) itemtype() string              { return "PluginFlyvemdmGeolocation" }
func (File) itemtype() string                     { return "PluginFlyvemdmFile" }
func (Application) itemtype() string              { return "PluginFlyvemdmPackage" }
func (ComputerModel) itemtype() string            { return "ComputerModel" }
func (ComputerType) itemtype() string             { return "ComputerType" }
func (Manufacturer) itemtype() string             { return "Manufacturer" }
func (OperatingSystem) itemtype() string          { return "OperatingSystem" }
func (OperatingSystemVersion) itemtype() string   { return "OperatingSystemVersion" }
func (InstalledOperatingSystem) itemtype() string { return "Item_OperatingSystem" }

func (i Agent) id() int                    { return i.ID }
func (i Fleet) id() int                    { return i.ID }
func (i Computer) id() int                 { return i.ID }
func (i User) id() int                     { return i.ID }
func (i UserEmail) id() int                { return i.ID }
func (i Entity) id() int                   { return i.ID }
func (i Invitation) id() int               { return i.ID }
func (i Policy) id() int                   { return i.ID }
func (i PolicyCategory) id() int           { return i.ID }
func (i Geolocation) id() int              { return i.ID }
func (i File) id() int                     { return i.ID }
func (i Application) id() int              { return i.ID }
func (i Dropdown) id() int                 { return i.ID }
func (i InstalledOperatingSystem) id() int { return i.ID }
