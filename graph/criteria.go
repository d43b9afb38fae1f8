package graph

import (
	"strconv"

	"fleetgate/glpiproxy"
)

// Web servers refuse an address of more than 8 KB, and GLPI's search is one.
const (
	mostChoices     = 40   // of fleets, entities, people and the like in one filter
	criterionLength = 100  // of a criterion without its value, as it stands in an address
	longestChain    = 6000 // leaves room for the rest of the address
)

// choices makes one alternative for each id; without ids one that demands nothing.
func choices(argument, typename string, option int, globalIDs []string) ([][]glpiproxy.Criterion, error) {
	if globalIDs == nil {
		return [][]glpiproxy.Criterion{nil}, nil
	}
	ids, err := chosenIDs(argument, typename, globalIDs)
	if err != nil {
		return nil, err
	}
	var alternatives [][]glpiproxy.Criterion
	for _, id := range ids {
		alternatives = append(alternatives, []glpiproxy.Criterion{{Field: option, Type: glpiproxy.Equals, Value: strconv.Itoa(id)}})
	}
	return alternatives, nil
}

// chosenIDs reads a filter's choice among objects of one type.
func chosenIDs(argument, typename string, globalIDs []string) ([]int, error) {
	if err := checkChoices(argument, globalIDs); err != nil {
		return nil, err
	}
	var chosen []int
	for _, globalID := range globalIDs {
		id, err := parseID(argument, typename, globalID)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, id)
	}
	return chosen, nil
}

func checkChoices[T any](argument string, given []T) error {
	if given != nil && (len(given) == 0 || len(given) > mostChoices) {
		return badInput("%s: give between 1 and %d", argument, mostChoices)
	}
	return nil
}
