package glpiproxy

import "strconv"

// EntityConfigChange is what can be changed of Flyve MDM's settings for an entity.
// "" goes back to what is inherited, and so does a value that equals the one in
// force: send only what really changes.
type EntityConfigChange struct {
	TokenLifeDays  *int // of new invitations, 1 to 180 days
	DeviceLimit    *int // 0: no limit
	SupportName    *string
	SupportPhone   *string
	SupportWebsite *string
	SupportEmail   *string
	SupportAddress *string
	DownloadURL    *string
}

func (EntityConfigChange) changes(EntityConfig) {}

func (c EntityConfigChange) write(f *fields) {
	if days := c.TokenLifeDays; days != nil {
		if *days < 1 || *days > 180 {
			f.fail("agent_token_life: must be between 1 and 180 days")
		}
		life := "P" + strconv.Itoa(*days) + "D"
		f.text("agent_token_life", &life)
	}
	f.number("device_limit", c.DeviceLimit, 0, 1<<31-1)
	f.text("support_name", c.SupportName)
	f.text("support_phone", c.SupportPhone)
	f.text("support_website", c.SupportWebsite)
	f.text("support_email", c.SupportEmail)
	f.lines("support_address", c.SupportAddress)
	f.text("download_url", c.DownloadURL)
}

// took: a value that was cleared is that of the entity above.
func (EntityConfigChange) took(config EntityConfig, f sentField) (took, known bool) {
	if f.want != "" {
		return false, false
	}
	switch f.column {
	case "support_name":
		return config.Inherited.SupportName, true
	case "support_phone":
		return config.Inherited.SupportPhone, true
	case "support_website":
		return config.Inherited.SupportWebsite, true
	case "support_email":
		return config.Inherited.SupportEmail, true
	case "support_address":
		return config.Inherited.SupportAddress, true
	case "download_url":
		return config.Inherited.DownloadURL, true
	}
	return false, false
}

// EntityChange is what can be changed of an entity itself. It is not what devices
// show: that is EntityConfigChange.
type EntityChange struct {
	Name     *string
	Phone    *string
	Website  *string
	Email    *string
	Address  *string
	Postcode *string
	Town     *string
	State    *string
	Country  *string
	Comment  *string
}

func (EntityChange) changes(Entity) {}

func (c EntityChange) write(f *fields) {
	f.renamed("name", c.Name)
	f.text("phonenumber", c.Phone)
	f.text("website", c.Website)
	f.text("email", c.Email)
	f.lines("address", c.Address)
	f.text("postcode", c.Postcode)
	f.text("town", c.Town)
	f.text("state", c.State)
	f.text("country", c.Country)
	f.lines("comment", c.Comment)
}
