package model

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"fleetgate/glpiproxy"
)

// Policy is something that can be demanded of a device.
type Policy struct{ glpiproxy.Policy }

// IsNode marks Policy as a Relay node.
func (Policy) IsNode() {}

// GlobalID is the policy's opaque identity.
func (p Policy) GlobalID() string { return GlobalID("Policy", p.ID) }

// policyTypes are GLPI's words for the kinds of values.
var policyTypes = map[string]PolicyType{
	"bool": PolicyTypeBoolean, "int": PolicyTypeInteger, "string": PolicyTypeString, "dropdown": PolicyTypeDropdown,
	"deployapp": PolicyTypeDeployApplication, "removeapp": PolicyTypeRemoveApplication,
	"deployfile": PolicyTypeDeployFile, "removefile": PolicyTypeRemoveFile,
}

// Type is the kind of value; a kind that this API does not know takes text.
func (p Policy) Type() PolicyType {
	if known, ok := policyTypes[p.Policy.Type]; ok {
		return known
	}
	return PolicyTypeString
}

// Choices are the values of a dropdown, by key.
func (p Policy) Choices() []*PolicyChoice {
	choices := []*PolicyChoice{}
	var labels map[string]string
	if p.Type() != PolicyTypeDropdown || json.Unmarshal([]byte(p.TypeData), &labels) != nil {
		return choices
	}
	for key, label := range labels {
		choices = append(choices, &PolicyChoice{Key: key, Label: label})
	}
	slices.SortFunc(choices, func(a, b *PolicyChoice) int { return strings.Compare(a.Key, b.Key) })
	return choices
}

// Minimum is the smallest whole number allowed, where there is one. Flyve MDM writes it as a text.
func (p Policy) Minimum() *int {
	var bounds map[string]any
	if p.Type() != PolicyTypeInteger || json.Unmarshal([]byte(p.TypeData), &bounds) != nil {
		return nil
	}
	least, err := strconv.Atoi(fmt.Sprint(bounds["min"]))
	if err != nil {
		return nil
	}
	return &least
}

// Unique says whether it can be applied only once to the same target.
func (p Policy) Unique() bool { return p.Unicity }

// Group is what Flyve MDM files it under.
func (p Policy) Group() *string { return text(p.Policy.Group) }

// Description is what it does, in words.
func (p Policy) Description() *string { return text(p.Comment) }

// DefaultValue is the value that a device has without it.
func (p Policy) DefaultValue() *string { return text(p.Policy.DefaultValue) }

// RecommendedValue is the value that Flyve MDM recommends.
func (p Policy) RecommendedValue() *string { return text(p.Policy.RecommendedValue) }

// RequiresSystemPrivilege says whether only a system application can obey it.
func (p Policy) RequiresSystemPrivilege() bool { return p.AndroidSystem }

// AndroidMinVersion is the first Android version that knows it.
func (p Policy) AndroidMinVersion() *string { return bound(p.Policy.AndroidMinVersion) }

// AndroidMaxVersion is the last Android version that knows it.
func (p Policy) AndroidMaxVersion() *string { return bound(p.Policy.AndroidMaxVersion) }

// AppleMinVersion is the first iOS version that knows it.
func (p Policy) AppleMinVersion() *string { return bound(p.Policy.AppleMinVersion) }

// AppleMaxVersion is the last iOS version that knows it.
func (p Policy) AppleMaxVersion() *string { return bound(p.Policy.AppleMaxVersion) }

// bound makes the version 0, which GLPI uses for "none", nil.
func bound(version string) *string {
	if version == "0" {
		return nil
	}
	return text(version)
}

// PolicyCategory is a branch of the tree in which policies are filed.
type PolicyCategory struct{ glpiproxy.PolicyCategory }

// IsNode marks PolicyCategory as a Relay node.
func (PolicyCategory) IsNode() {}

// GlobalID is the category's opaque identity.
func (c PolicyCategory) GlobalID() string { return GlobalID("PolicyCategory", c.ID) }

// TypedValue is the value that an input gives to a policy: the one field that fits the policy's type.
type TypedValue struct {
	Boolean     *bool
	Integer     *int
	Text        *string
	Option      *string
	Application *ApplicationDeploymentInput
	File        *FileDeploymentInput
	PackageName *string
	Path        *string
}

// PolicyValueInput is a policy, by its symbol or its id, and the value that it is to have.
type PolicyValueInput struct {
	Symbol   *string
	PolicyID *string
	TypedValue
}

// UpdateTaskInput is a task and its new value.
type UpdateTaskInput struct {
	ID string
	TypedValue
}
