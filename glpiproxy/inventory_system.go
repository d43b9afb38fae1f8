package glpiproxy

import "context"

// System is the operating system of a computer; "" is what GLPI doesn't know.
type System struct {
	Name          string // "Android"
	Version       string // "9.0"
	ServicePack   string
	Architecture  string
	Kernel        string
	KernelVersion string
}

// The search options of a computer that tell its operating system.
const (
	systemNameOption          = 45
	systemVersionOption       = 46
	systemServicePackOption   = 41
	systemArchitectureOption  = 61
	systemKernelOption        = 64
	systemKernelVersionOption = 48
)

// SystemOptions are the columns of a search for computers that SystemOf reads.
func SystemOptions() []int {
	return []int{
		systemNameOption, systemVersionOption, systemServicePackOption,
		systemArchitectureOption, systemKernelOption, systemKernelVersionOption,
	}
}

// SystemOf is the operating system of a computer that a search found.
func SystemOf(computer Row) System {
	return System{
		Name: computer.Text(systemNameOption), Version: computer.Text(systemVersionOption), ServicePack: computer.Text(systemServicePackOption),
		Architecture: computer.Text(systemArchitectureOption), Kernel: computer.Text(systemKernelOption),
		KernelVersion: computer.Text(systemKernelVersionOption),
	}
}

// SystemsOf reads the operating systems of many computers in few calls, by the computer's id. A computer that the viewer
// can't see has no entry.
func SystemsOf(ctx context.Context, s *Session, computerIDs []int) (map[int]System, error) {
	rows, err := searchByOwners(ctx, s, Computer{}.itemtype(), idOption, computerIDs, Query{Columns: SystemOptions()})
	if err != nil {
		return nil, err
	}
	systems := make(map[int]System, len(rows))
	for _, row := range rows {
		systems[row.ID()] = SystemOf(row)
	}
	return systems, nil
}
