package model

import "fleetgate/glpiproxy"

// File is something that devices can be told to store.
type File struct{ glpiproxy.File }

// IsNode marks File as a Relay node.
func (File) IsNode() {}

// GlobalID is the file's opaque identity.
func (f File) GlobalID() string { return GlobalID("File", f.ID) }

// Comment is what somebody remarked.
func (f File) Comment() *string { return text(f.File.Comment) }

// MimeType is the media type as GLPI found it.
func (f File) MimeType() *string { return text(f.MIMEType) }

// WellKnownPath is a folder that every device knows.
type WellKnownPath struct{ glpiproxy.WellKnownPath }

// IsNode marks WellKnownPath as a Relay node.
func (WellKnownPath) IsNode() {}

// GlobalID is the path's opaque identity.
func (p WellKnownPath) GlobalID() string { return GlobalID("WellKnownPath", p.ID) }

// Comment is what it is for, in words.
func (p WellKnownPath) Comment() *string { return text(p.WellKnownPath.Comment) }

// Application is a package that devices can be told to install. One of a list holds only what GLPI's search tells:
// its id, alias and version.
type Application struct {
	glpiproxy.Application
	Whole bool
}

// IsNode marks Application as a Relay node.
func (Application) IsNode() {}

// GlobalID is the application's opaque identity.
func (a Application) GlobalID() string { return GlobalID("Application", a.ID) }

// Version is the version for people.
func (a Application) Version() *string { return text(a.Application.Version) }

var parseStatuses = map[string]ApplicationParseStatus{
	"parsed": ApplicationParseStatusParsed, "failed": ApplicationParseStatusFailed,
}

// ParseStatusOf is the status that GLPI has this word for; what is none of its words is still to be read.
func ParseStatusOf(word string) ApplicationParseStatus {
	if status, known := parseStatuses[word]; known {
		return status
	}
	return ApplicationParseStatusPending
}

// PackageName is the name of the Android package.
func (a Application) PackageName() *string { return text(a.Application.PackageName) }

// VersionCode is the version that devices compare.
func (a Application) VersionCode() *string { return text(a.Application.VersionCode) }

// ParseStatus is whether GLPI has read the package.
func (a Application) ParseStatus() ApplicationParseStatus {
	return ParseStatusOf(a.Application.ParseStatus)
}

// MimeType is the media type as GLPI found it.
func (a Application) MimeType() *string { return text(a.MIMEType) }

// EndedDeployment is a task that deployed something which was deleted.
type EndedDeployment struct {
	Task
	RemovedFromDevices bool
}

// TaskID is the global id that the task had.
func (d EndedDeployment) TaskID() string { return d.GlobalID() }
