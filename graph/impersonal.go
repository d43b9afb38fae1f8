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

// impersonal are the fields that, beside those which are keepable, say the same to all viewers of one view
// (glpiproxy.Scope.View), whoever they are. Nobody tells of everything that changes them, so their answers are not kept;
// but those who ask at the same moment may share one. A field that is in neither list is personal until somebody has
// looked at it.
var impersonal = fieldsOfTypes(map[string]string{
	"Subscription": "deviceEvents invitationEvents rolloutProgress",

	// What a device did, in an entity of the viewer's.
	"DeviceEvent": eventFields, "PresenceChanged": eventFields + " presence", "PositionReported": eventFields + " position",
	"CommandSent": eventFields + " command", "CommandAnswered": eventFields + " command roundTripMs", "Command": "name sentAt",
	"InventoryReceived": eventFields, "AgentUnenrolled": eventFields, "AgentEnrolled": eventFields,
	"AgentDeleted": eventFields + " agentId", "TaskStatusChanged": eventFields + " taskStatus",

	// What GLPI and the gateway know of an invitation in an entity of the viewer's, as of now.
	"Agent": "invitation", "InvitationEvent": "cursor at kind entityId invitationId invitation agent",
	"Invitation":         "id databaseId state expiresAt user entity delivery openedAt supersededBy agent log devicesLeft",
	"InvitationDelivery": "state queuedAt sentAt", "InvitationLogEntry": "at event",

	// The rest of a computer's inventory, which goes with the right to the computer.
	"Computer":  "memoryBytes processors batteries disks networkPorts installedApplications",
	"Processor": "name manufacturer frequencyMHz cores threads", "Disk": "name mountPoint fileSystem totalBytes freeBytes",
	"Battery":     "name manufacturer type voltageMillivolts capacityMilliampereHours manufacturedAt",
	"NetworkPort": "name mac speedMbps ips", "InstalledApplication": "name version",
	"InstalledApplicationConnection": connectionFields, "InstalledApplicationEdge": edgeFields,

	// The rest of a person's record, which changes without a word.
	"User": "phone2 lastLoginAt modifiedAt",
})

const eventFields = "cursor at kind entityId serial agent"

// isPersonal tells whether an operation asks for anything that may depend on the person who asks.
func isPersonal(op *graphql.OperationContext) bool {
	return selectsPersonal(op.Operation.SelectionSet, map[string]bool{})
}

func isImpersonal(typename, field string) bool {
	return slices.Contains(keepable[typename], field) || slices.Contains(impersonal[typename], field)
}

// selectsPersonal looks at each fragment once, whatever its uses.
func selectsPersonal(selections ast.SelectionSet, seen map[string]bool) bool {
	return slices.ContainsFunc(selections, func(selection ast.Selection) bool {
		switch selection := selection.(type) {
		case *ast.Field:
			return !isImpersonal(selection.ObjectDefinition.Name, selection.Name) || selectsPersonal(selection.SelectionSet, seen)
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

// subscriptionField is the field of a subscription; nil: an operation is something else.
func subscriptionField(op *graphql.OperationContext) *graphql.CollectedField {
	if op.Operation.Operation != ast.Subscription {
		return nil
	}
	fields := graphql.CollectFields(op, op.Operation.SelectionSet, []string{"Subscription"})
	if len(fields) != 1 {
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
