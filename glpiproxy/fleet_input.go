package glpiproxy

// FleetInput is a new fleet.
type FleetInput struct {
	Name      string
	EntityID  int
	Recursive bool
}

func (FleetInput) creates(Fleet) {}

func (i FleetInput) write(f *fields) {
	f.required("name", i.Name)
	f.home("entities_id", i.EntityID)
	f.flag("is_recursive", &i.Recursive)
}

// FleetChange is what can be changed of a fleet. The fleet of an entity's unmanaged
// devices keeps its Recursive.
type FleetChange struct {
	Name      *string
	Recursive *bool
}

func (FleetChange) changes(Fleet) {}

func (c FleetChange) write(f *fields) {
	f.renamed("name", c.Name)
	f.flag("is_recursive", c.Recursive)
}
