package glpi

// flyveItemtypes declares the plugin's itemtypes.
func flyveItemtypes() []*Itemtype { return nil }

// flyveHooks is what the plugin does when rows of GLPI's own itemtypes change, by itemtype name.
func flyveHooks() map[string]Hooks { return nil }

// flyveInstall does what installing the plugin does: profiles and rights, policies, well-known paths, configuration, and
// the root entity's EntityConfig and default fleet.
func flyveInstall(*Tx) {}

// flyveReceive applies a device's message, as the plugin's daemon does when it runs.
func flyveReceive(*Tx, string, []byte) {}
