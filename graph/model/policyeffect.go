package model

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"fleetgate/glpiproxy"
)

// answersByREST is the first version of the agent for Android that was written anew: what it obeys is known, handler
// by handler.
const answersByREST = "2.0.0-rc.7"

// Policies by their symbols: those that the agents for Android had from the first, and those that Flyve MDM offers but
// that the rewritten agent has no handler for, or one that listens to another name.
var (
	obeyedFromTheFirst = []string{"deployApp", "removeApp", "deployFile", "removeFile"}
	handled            = []string{
		"passwordEnabled", "passwordQuality", "passwordMinLength", "passwordMinLowerCase", "passwordMinUpperCase",
		"passwordMinNonLetter", "passwordMinLetters", "passwordMinNumeric", "passwordMinSymbols",
		"maximumFailedPasswordsForWipe", "maximumTimeToLock", "storageEncryption",
		"disableCamera", "disableBluetooth", "disableHostpotTethering", "disableRoaming", "disableWifi", "disableSpeakerphone",
		"disableCreateVpnProfiles", "disableStreamMusic", "disableStreamRing", "disableStreamAlarm", "disableStreamNotification",
		"disableStreamAccessibility", "disableStreamVoiceCall", "disableScreenCapture", "disableAirplaneMode", "disableGPS",
		"disableMobileLine", "disableStatusBar", "disableUsbMtp", "disableUsbPtp", "disableUsbAdb",
		"deployApp", "removeApp", "deployFile", "removeFile",
	}
)

// EffectiveOn tells which agents obey the policy. The agent for iOS obeys none in the form that Flyve MDM 2 sends.
func (p Policy) EffectiveOn() []*PolicyEffect {
	bound := answersByREST
	old, rewritten := PolicyEffectivenessUnknown, PolicyEffectivenessNoEffect
	if slices.Contains(obeyedFromTheFirst, p.Symbol) {
		old = PolicyEffectivenessEffective
	}
	if slices.Contains(handled, p.Symbol) {
		rewritten = PolicyEffectivenessEffective
	}
	return []*PolicyEffect{
		{Platform: MdmTypeAndroid, BeforeVersion: &bound, Effect: old},
		{Platform: MdmTypeAndroid, FromVersion: &bound, Effect: rewritten},
		{Platform: MdmTypeApple, Effect: PolicyEffectivenessNoEffect},
	}
}

// EffectOn tells whether the agent that runs on a device obeys the policy.
func (p Policy) EffectOn(agent glpiproxy.Agent) PolicyEffectiveness {
	platform := enum(mdmTypes, agent.MDMType)
	version, known := parseVersion(agent.Version)
	bound, _ := parseVersion(answersByREST)
	for _, e := range p.EffectiveOn() {
		switch {
		case platform == nil || e.Platform != *platform:
		case e.FromVersion == nil && e.BeforeVersion == nil:
			return e.Effect
		case known && (e.BeforeVersion != nil) == (slices.Compare(version, bound) < 0):
			return e.Effect
		}
	}
	return PolicyEffectivenessUnknown
}

// versionForm is "2.1", "2.0.6" or "2.0.0-rc.7".
var versionForm = regexp.MustCompile(`^(\d{1,6})(?:\.(\d{1,6}))?(?:\.(\d{1,6}))?(?:-[a-z]+\.?(\d{1,6})?)?$`)

// parseVersion takes a version apart so that versions compare; a candidate comes before its release.
func parseVersion(text string) (parts []int, ok bool) {
	found := versionForm.FindStringSubmatch(text)
	if found == nil {
		return nil, false
	}
	for _, digits := range found[1:] {
		n, _ := strconv.Atoi(digits) // a part that is left out is 0
		parts = append(parts, n)
	}
	if !strings.Contains(text, "-") {
		parts[3] = math.MaxInt
	}
	return parts, true
}

// Platforms are the systems that Flyve MDM means the policy for. Its columns say 0 where a system never knows it, and
// where there is no last version.
func (p Policy) Platforms() []*PolicyPlatform {
	return []*PolicyPlatform{
		platform(MdmTypeAndroid, p.Policy.AndroidMinVersion, p.Policy.AndroidMaxVersion),
		platform(MdmTypeApple, p.Policy.AppleMinVersion, p.Policy.AppleMaxVersion),
	}
}

func platform(which MdmType, first, last string) *PolicyPlatform {
	return &PolicyPlatform{Platform: which, Supported: bound(first) != nil, MinVersion: bound(first), MaxVersion: bound(last)}
}
