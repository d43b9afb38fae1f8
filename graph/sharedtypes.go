package graph

import (
	"bytes"
	"maps"
	"regexp"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"
)

// impersonal are the types of the schema whose fields say the same to all viewers with equal rights in equal entities.
// Everything else may depend on the person: GLPI shows people themselves, and links to files are made in the viewer's
// name.
var impersonal = []string{
	"Subscription",
	"DeviceEvent", "PresenceChanged", "PositionReported", "CommandSent", "CommandAnswered", "InventoryReceived",
	"AgentUnenrolled", "AgentEnrolled", "AgentDeleted", "TaskStatusChanged", "Command",
	"Agent", "Presence", "Position", "PositionConnection", "PositionEdge", "PageInfo",
	"Entity", "Fleet",
	"Computer", "OperatingSystem", "Processor", "Battery", "Disk", "NetworkPort",
	"InstalledApplication", "InstalledApplicationConnection", "InstalledApplicationEdge",
	"Task", "TaskStatus", "TaskStatusConnection", "TaskStatusEdge", "AgentTask", "TaskTarget", "TaskValue",
	"TaskRollout", "Rollout", "TaskStateCounts",
	"BooleanValue", "IntegerValue", "TextValue", "OptionValue", "DeployedApplication", "DeployedFile",
	"RemovedApplication", "RemovedFile",
	"Policy", "PolicyCategory", "PolicyChoice", "PolicyPlatform", "PolicyEffect",
}

// isPersonal tells whether an operation asks for anything that may depend on the person who asks.
func isPersonal(op *graphql.OperationContext) bool {
	return selectsPersonal(op.Operation.SelectionSet, map[string]bool{})
}

// selectsPersonal looks at each fragment once, whatever its uses.
func selectsPersonal(selections ast.SelectionSet, seen map[string]bool) bool {
	return slices.ContainsFunc(selections, func(selection ast.Selection) bool {
		switch selection := selection.(type) {
		case *ast.Field:
			return !slices.Contains(impersonal, selection.ObjectDefinition.Name) || selectsPersonal(selection.SelectionSet, seen)
		case *ast.InlineFragment:
			return selectsPersonal(selection.SelectionSet, seen)
		case *ast.FragmentSpread:
			known := seen[selection.Name]
			seen[selection.Name] = true
			return !known && selectsPersonal(selection.Definition.SelectionSet, seen)
		}
		return true
	})
}

// eventsField is the field of a subscription to device events; nil: an operation is something else.
func eventsField(op *graphql.OperationContext) *graphql.CollectedField {
	if op.Operation.Operation != ast.Subscription {
		return nil
	}
	fields := graphql.CollectFields(op, op.Operation.SelectionSet, []string{"Subscription"})
	if len(fields) != 1 || fields[0].Name != "deviceEvents" {
		return nil
	}
	return &fields[0]
}

// withoutAfter is what an operation asks for, in settled words, without the cursor to begin after: as far as that is an
// argument of the subscription's own field, and its variable is used for nothing else.
func withoutAfter(op *graphql.OperationContext) (document string, variables map[string]any) {
	copied := *op.Operation
	copied.SelectionSet = slices.Clone(copied.SelectionSet)
	cursor := ""
	for i, selection := range copied.SelectionSet {
		field, is := selection.(*ast.Field)
		if !is {
			continue
		}
		bare := *field
		bare.Arguments = nil
		for _, argument := range field.Arguments {
			if argument.Name != "after" {
				bare.Arguments = append(bare.Arguments, argument)
			} else if argument.Value.Kind == ast.Variable {
				cursor = argument.Value.Raw
			}
		}
		copied.SelectionSet[i] = &bare
	}
	undeclared := copied
	undeclared.VariableDefinitions = slices.DeleteFunc(slices.Clone(copied.VariableDefinitions), func(v *ast.VariableDefinition) bool {
		return v.Variable == cursor
	})
	text := words(&undeclared, op.Doc.Fragments)
	if cursor == "" || regexp.MustCompile(`\$`+cursor+`\b`).MatchString(text) {
		text, cursor = words(&copied, op.Doc.Fragments), ""
	}
	variables = map[string]any{}
	maps.Copy(variables, op.Variables)
	delete(variables, cursor)
	return text, variables
}

// words writes an operation down in the one way that the formatter has.
func words(operation *ast.OperationDefinition, fragments ast.FragmentDefinitionList) string {
	var text bytes.Buffer
	formatter.NewFormatter(&text, formatter.WithIndent("")).FormatQueryDocument(&ast.QueryDocument{
		Operations: ast.OperationList{operation}, Fragments: fragments,
	})
	return text.String()
}
