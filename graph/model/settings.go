package model

import "fleetgate/glpiproxy"

// EntitySettings are Flyve MDM's settings for an entity and the entity's own address.
type EntitySettings struct {
	Of     glpiproxy.Entity
	Config glpiproxy.EntityConfig
	Scope  *glpiproxy.Scope
	// Above are the settings of the entities above that the viewer sees, the nearest first; read once, when first asked.
	Above func() ([]glpiproxy.EntityConfig, error)
}

// Entity is the entity.
func (s EntitySettings) Entity() *Entity { return &Entity{Entity: s.Of} }

// AgentTokenLife is how long a new invitation holds, in days.
func (s EntitySettings) AgentTokenLife() *IntSetting {
	setting := &IntSetting{Source: SettingSourceOwn}
	if days := s.Config.TokenLifeDays(); days > 0 {
		setting.Value = &days
	}
	return setting
}

// DeviceLimit is how many devices the entity may have.
func (s EntitySettings) DeviceLimit() *IntSetting {
	return &IntSetting{Value: &s.Config.DeviceLimit, Source: SettingSourceOwn}
}

// DownloadURL is where phones download the agent.
func (s EntitySettings) DownloadURL() *TextSetting {
	return s.setting(s.Config.DownloadURL, func(i glpiproxy.InheritedSettings) bool { return i.DownloadURL })
}

// SupportName is the name of whoever supports the users.
func (s EntitySettings) SupportName() *TextSetting {
	return s.setting(s.Config.SupportName, func(i glpiproxy.InheritedSettings) bool { return i.SupportName })
}

// SupportPhone is their telephone.
func (s EntitySettings) SupportPhone() *TextSetting {
	return s.setting(s.Config.SupportPhone, func(i glpiproxy.InheritedSettings) bool { return i.SupportPhone })
}

// SupportWebsite is their web site.
func (s EntitySettings) SupportWebsite() *TextSetting {
	return s.setting(s.Config.SupportWebsite, func(i glpiproxy.InheritedSettings) bool { return i.SupportWebsite })
}

// SupportEmail is their e-mail address.
func (s EntitySettings) SupportEmail() *TextSetting {
	return s.setting(s.Config.SupportEmail, func(i glpiproxy.InheritedSettings) bool { return i.SupportEmail })
}

// SupportAddress is their postal address.
func (s EntitySettings) SupportAddress() *TextSetting {
	return s.setting(s.Config.SupportAddress, func(i glpiproxy.InheritedSettings) bool { return i.SupportAddress })
}

func (s EntitySettings) setting(value string, isInherited func(glpiproxy.InheritedSettings) bool) *TextSetting {
	setting := &TextSetting{Value: text(value), Source: SettingSourceOwn, IsInherited: isInherited, Above: s.Above}
	if s.Of.ID != 0 && isInherited(s.Config.Inherited) { // nothing is above the root
		setting.Source = SettingSourceInherited
	}
	return setting
}

// TextSetting is a setting that is text, with how to find out where an inherited one is set.
type TextSetting struct {
	Value       *string
	Source      SettingSource
	IsInherited func(glpiproxy.InheritedSettings) bool
	Above       func() ([]glpiproxy.EntityConfig, error)
}

// Contact is the entity's own address in GLPI.
func (s EntitySettings) Contact() *EntityContact {
	return &EntityContact{
		Phone: text(s.Of.Phone), Website: text(s.Of.Website), Email: text(s.Of.Email), Address: text(s.Of.Address),
		Postcode: text(s.Of.Postcode), Town: text(s.Of.Town), State: text(s.Of.State), Country: text(s.Of.Country),
	}
}

// settingsRights are the rights that GLPI wants for changes of the settings; all of the first three for any change.
var settingsRights = []struct {
	right       SettingsRight
	held        func(*glpiproxy.Scope) bool
	explanation string
}{
	{SettingsRightSetDeviceLimit, held[glpiproxy.EntityConfig](glpiproxy.SetDeviceLimit),
		"Your profile may not set the limit of devices, and GLPI wants this right for any change of Flyve MDM's settings. " +
			"An administrator of GLPI can give it: Administration, Profiles, Flyve MDM, Entity."},
	{SettingsRightSetDownloadURL, held[glpiproxy.EntityConfig](glpiproxy.SetDownloadURL),
		"Your profile may not set the download URL of the agent, and GLPI wants this right for any change of Flyve MDM's settings. " +
			"An administrator of GLPI can give it: Administration, Profiles, Flyve MDM, Entity."},
	{SettingsRightSetInvitationLife, held[glpiproxy.EntityConfig](glpiproxy.SetTokenLife),
		"Your profile may not set how long invitations hold, and GLPI wants this right for any change of Flyve MDM's settings. " +
			"An administrator of GLPI can give it: Administration, Profiles, Flyve MDM, Entity."},
	{SettingsRightUpdateEntity, held[glpiproxy.Entity](glpiproxy.Update),
		"Your profile may not update entities, so their contact can't be changed. " +
			"An administrator of GLPI can give that right: Administration, Profiles, Administration, Entities."},
}

func held[T glpiproxy.Item](right glpiproxy.Right) func(*glpiproxy.Scope) bool {
	return func(s *glpiproxy.Scope) bool { return glpiproxy.Can[T](s, right) }
}

// MissingSettingsRights are the rights that a viewer lacks to change settings.
func MissingSettingsRights(s *glpiproxy.Scope) []*MissingSettingsRight {
	missing := []*MissingSettingsRight{}
	for _, r := range settingsRights {
		if !r.held(s) {
			missing = append(missing, &MissingSettingsRight{Right: r.right, Explanation: r.explanation})
		}
	}
	return missing
}

// MissingRights is what the viewer lacks to change everything.
func (s EntitySettings) MissingRights() []*MissingSettingsRight {
	return MissingSettingsRights(s.Scope)
}

// CanEdit tells whether the viewer may change Flyve MDM's settings.
func (s EntitySettings) CanEdit() bool {
	for _, missing := range s.MissingRights() {
		if missing.Right != SettingsRightUpdateEntity {
			return false
		}
	}
	return true
}

// CanEditContact tells whether the viewer may change the contact.
func (s EntitySettings) CanEditContact() bool {
	return glpiproxy.Can[glpiproxy.Entity](s.Scope, glpiproxy.Update)
}
