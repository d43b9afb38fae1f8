package glpi

// The plugin flyvemdmdemo lets people make accounts for themselves. demo_*.go are its itemtypes.

const (
	registeredProfile = "Flyve MDM registered users"
	inactiveProfile   = "Flyve MDM inactive registered users"
	serviceProfile    = "Flyve MDM service profile"

	// ServiceLogin is the account with which a dashboard makes accounts for people, while nobody is signed in.
	ServiceLogin = "flyvenologin"

	demoContext = "flyvemdmdemo" // of its configuration
)

// registeredRights is what a person who made an account for himself may do.
var registeredRights = map[string]Rights{
	"flyvemdm:agent":          Read | Update | Delete | Purge | withNotes,
	"flyvemdm:entity":         Read | setDownloadURL | setTokenLife,
	"flyvemdm:file":           Standard | withNotes,
	"flyvemdm:fleet":          Standard | withNotes,
	"flyvemdm:flyvemdm":       useFlyve,
	"flyvemdm:geolocation":    Read | Purge,
	"flyvemdm:invitation":     Standard,
	"flyvemdm:invitationLog":  Read,
	"flyvemdm:package":        Standard | withNotes,
	"flyvemdm:policy":         Read,
	"flyvemdm:policycategory": Read,
	"flyvemdm:wellknownpath":  Read,
	"config":                  Read,
	"user":                    Standard,
	"profile":                 Create,
	"entity":                  Create,
	"computer":                Read,
	"software":                Read,
	"networking":              Read,
	"dropdown":                Read,
}

func demoItemtypes() []*Itemtype {
	return []*Itemtype{captchaType(), demoUserType(), validationType()}
}

func demoHooks() map[string]Hooks {
	return map[string]Hooks{"User": {PrepareAdd: onlySignUps}}
}

// demoInstall makes the profiles, the service account and the settings.
func demoInstall(tx *Tx) {
	registered := tx.AddProfile(registeredProfile, "")
	tx.SetRights(registered.ID(), registeredRights)
	inactive := tx.AddProfile(inactiveProfile, "")
	service := tx.AddProfile(serviceProfile, "")
	tx.SetRights(service.ID(), map[string]Rights{
		"entity": Create | Update, "user": Create, "profile": Read, "flyvemdmdemo:captcha": Create | Read,
	})
	account := tx.Insert("User", map[string]any{
		"name": ServiceLogin, "profiles_id": service.ID(), "date_creation": tx.Date(), "date_mod": tx.Date(),
	})
	tx.UserToken(account)
	tx.Insert("Profile_User", map[string]any{"users_id": account.ID(), "profiles_id": service.ID(), "is_recursive": 1})
	tx.Insert("Plugin", map[string]any{"directory": demoContext, "name": "Flyve MDM Demo", "version": "1.0.0-dev", "state": 1})
	for name, v := range map[string]any{
		"demo_mode": 1, "demo_time_limit": 0, "webapp_url": "http://dashboard.test/", "registered_profiles_id": registered.ID(),
		"inactive_registered_profiles_id": inactive.ID(), "service_profiles_id": service.ID(),
	} {
		tx.SetConfig(demoContext, name, v)
	}
	for name, id := range map[string]int{
		"registered_profiles_id": registered.ID(), "inactive_registered_profiles_id": inactive.ID(), "service_profiles_id": service.ID(),
	} {
		tx.SetConfig("flyvemdm", name, id)
	}
}

// isService tells whether the service account speaks.
func (tx *Tx) isService() bool {
	return tx.session != nil && tx.s.opts.DemoPlugin && tx.ProfileID() == phpInt(tx.Config(demoContext, "service_profiles_id"))
}

// onlySignUps refuses users that the service account would make by other ways than PluginFlyvemdmdemoUser.
func onlySignUps(tx *Tx, _ Input) error {
	if tx.isService() && !tx.signingUp {
		return Refuse("Not allowed")
	}
	return nil
}

// AccountToken is the api_token of an account, as GLPI's administrator reads it on its page; "" when there is no such login.
func (s *Server) AccountToken(login string) string {
	tx := s.begin(nil)
	defer tx.end()
	if user := tx.First("User", "name", login); user != nil {
		return tx.UserToken(user)
	}
	return ""
}
