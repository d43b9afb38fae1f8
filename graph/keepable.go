package graph

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/internal/responsecache"
)

// keepable are the fields whose answers can be kept and given to others who may see the same (glpiproxy.Scope.View): all
// that they rest on are rows of GLPI's and what was heard of devices, a change of either is told to the recording of the
// response, and who asks makes no difference. That holds for people, too: GLPI shows them by the viewer's rights and
// entities, to themselves as to others. A field that is not here is never kept: it may depend on the moment (the state of
// an invitation, the gateway's health), on what the gateway itself remembers, or on the sign-in and not only on what that
// may see (viewer, links to download).
var keepable = fieldsOfTypes(map[string]string{
	"Query": "agents agent fleets fleet policies policyCategories node nodes files file applications application wellKnownPaths user overview",
	"Node":  "id",

	"Agent": "id databaseId name serial version mdmType enrollStatus notificationType entity fleet owner computer presence " +
		"wipeRequested lockRequested lastPosition positions tasks taskStatuses",
	"AgentConnection": connectionFields, "AgentEdge": edgeFields, "PageInfo": "hasNextPage hasPreviousPage startCursor endCursor",
	"Presence": "state since lastContact source ambiguous",
	"Position": "latitude longitude at", "PositionConnection": connectionFields, "PositionEdge": edgeFields,
	"Fleet":           "id databaseId name isDefault isRecursive entity agents tasks rollout",
	"FleetConnection": connectionFields, "FleetEdge": edgeFields,
	"Entity": "id databaseId name completeName level",
	"User": "id databaseId username displayName firstName lastName phone mobile emails isActive isDeleted validFrom validUntil " +
		"registrationNumber title category location language defaultEntity comment",
	"UserEmail": "address isDefault", "NamedEntry": "id databaseId name",

	"Computer":        "id databaseId name serial uuid model manufacturer type comment modifiedAt createdAt os",
	"OperatingSystem": "name version servicePack kernel kernelVersion architecture",

	"Policy": "id databaseId symbol name group type choices minimum unique category description defaultValue recommendedValue " +
		"requiresSystemPrivilege androidMinVersion androidMaxVersion appleMinVersion appleMaxVersion platforms effectiveOn",
	"PolicyPlatform": "platform supported minVersion maxVersion", "PolicyChoice": "key label",
	"PolicyEffect": "platform fromVersion beforeVersion effect", "PolicyCategory": "id databaseId name completeName parent",

	"Task":       "id databaseId policy target value valueText rollout statuses",
	"TaskTarget": "", "TaskValue": "",
	"BooleanValue": "boolean", "IntegerValue": "integer", "TextValue": "text", "OptionValue": "option label",
	"DeployedApplication": "applicationId application removeOnDelete", "DeployedFile": "fileId file destination removeOnDelete",
	"RemovedApplication": "packageName", "RemovedFile": "path",
	"TaskStatus":           "taskId task agent state changedAt",
	"TaskStatusConnection": connectionFields, "TaskStatusEdge": edgeFields,
	"TaskStateCounts": "pending received waiting done failed incompatible overridden canceled total", "TaskRollout": "task counts percentDone",
	"Rollout": "fleet counts percentDone tasks", "AgentTask": "task via status overridden effect",

	"File": "id databaseId name comment version size mimeType entity deployments", "FileConnection": connectionFields, "FileEdge": edgeFields,
	"WellKnownPath":         "id databaseId name comment isDefault",
	"Application":           "id databaseId alias fileName packageName version versionCode parseStatus icon size mimeType entity deployments",
	"ApplicationConnection": connectionFields, "ApplicationEdge": edgeFields,

	"Overview": "agentCount fleetCount fileCount applicationCount devicesByPresence devicesByPlatform devicesByEnrollStatus " +
		"devicesByVersion devicesByOs devicesByFleet tasksByStatus",
	"PresenceCount": "state count", "PlatformCount": "mdmType count", "EnrollStatusCount": "enrollStatus count",
	"VersionCount": "version count", "OsCount": "name count versions", "FleetCount": "fleet count",
})

const connectionFields, edgeFields = "edges nodes pageInfo totalCount", "node cursor"

func fieldsOfTypes(lists map[string]string) map[string][]string {
	fields := make(map[string][]string, len(lists))
	for name, list := range lists {
		fields[name] = append(strings.Fields(list), "__typename")
	}
	return fields
}

// Keepable tells whether the response to an operation can be kept for others who ask the same and may see the same: of
// queries whose every field can be.
func Keepable(operation *graphql.OperationContext) bool {
	return operation.Operation.Operation == ast.Query && allKeepable(operation.Operation.SelectionSet, map[string]bool{})
}

// allKeepable looks at each fragment once, however often it is spread.
func allKeepable(set ast.SelectionSet, seen map[string]bool) bool {
	for _, selection := range set {
		var below ast.SelectionSet
		switch selection := selection.(type) {
		case *ast.Field:
			if selection.ObjectDefinition == nil || !slices.Contains(keepable[selection.ObjectDefinition.Name], selection.Name) {
				return false
			}
			below = selection.SelectionSet
		case *ast.InlineFragment:
			below = selection.SelectionSet
		case *ast.FragmentSpread:
			if seen[selection.Name] {
				continue
			}
			seen[selection.Name] = true
			below = selection.Definition.SelectionSet
		}
		if !allKeepable(below, seen) {
			return false
		}
	}
	return true
}

// observed has the reads of a response that is recorded told to its recording.
func observed(ctx context.Context) context.Context {
	if recording := responsecache.FromContext(ctx); recording != nil {
		return glpiproxy.WithReadObserver(ctx, recording)
	}
	return ctx
}

// spoil notes that the response shows what is never to be kept.
func spoil(ctx context.Context) {
	if recording := responsecache.FromContext(ctx); recording != nil {
		recording.Spoil()
	}
}

// longestKept bounds how long a response is kept that shows nothing but what was heard of devices.
const longestKept = time.Hour

// showsDevice notes that the response shows what was heard of a device, which a moment that is not zero changes by itself.
func (r *Resolver) showsDevice(ctx context.Context, device bridge.DeviceKey, until time.Time) {
	recording := responsecache.FromContext(ctx)
	if recording == nil {
		return
	}
	if until.IsZero() {
		until = r.Now().Add(longestKept)
	}
	recording.Rests(until, device.Tag())
}
