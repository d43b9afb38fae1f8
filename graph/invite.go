package graph

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
	"fleetgate/internal/invitation"
)

const (
	// invitesAtOnce is how many people GLPI is asked to invite in one call, one call after the other: for each it draws a
	// QR code and queues a mail.
	invitesAtOnce = 25
	// mostSlots bounds the devices that may enrol with one invitation.
	mostSlots = 20
	// longestMessage bounds an inviter's words, in characters.
	longestMessage = 1000
)

// inviting is an invitation of many people under way.
type inviting struct {
	resolver *Resolver
	session  *glpiproxy.Session
	scope    *glpiproxy.Scope
	in       model.InviteUsersInput
	entityID int
	invitees []*invitee
	key      string // the client's own for this wish; "": none
	batch    *invitation.Batch
	wrote    bool                           // GLPI was asked to make something
	chained  bool                           // for each device of a person an invitation is made, since none can be armed again
	older    map[int][]glpiproxy.Invitation // neither used nor ended, by user id
}

// invitee is one of the people to invite.
type invitee struct {
	*model.InviteeInput
	place  int    // among all
	email  string // "" where a user is given
	user   glpiproxy.User
	done   []int // the invitations that they have already, where the same was begun before; in order
	chain  []int // the invitations that they have now, in order
	result *model.InviteUserResult
}

// refuse tells what is wrong with one of the people, at a field of theirs.
func (v *invitee) refuse(code model.UserErrorCode, message string, field ...string) {
	path := append([]string{"input", "invitees", strconv.Itoa(v.place)}, field...)
	v.result.UserErrors = append(v.result.UserErrors, userError(code, message, path...))
}

// fail tells why GLPI did not do something for one of the people.
func (v *invitee) fail(err error, field ...string) {
	path := append([]string{"input", "invitees", strconv.Itoa(v.place)}, field...)
	v.result.UserErrors = append(v.result.UserErrors, itemRefusal(err, path...))
}

// named is the field that says who it is.
func (v *invitee) named() string {
	if v.UserID != nil {
		return "userId"
	}
	return "email"
}

// sound are the people against whom nothing speaks so far.
func (v *inviting) sound() (invitees []*invitee) {
	for _, i := range v.invitees {
		if len(i.result.UserErrors) == 0 {
			invitees = append(invitees, i)
		}
	}
	return invitees
}

// inviteUsers invites people whom the viewer sees, or who are new. Everything that can be checked is checked before
// anybody is invited: GLPI itself would let a viewer take over the account of a stranger.
func (r *Resolver) inviteUsers(ctx context.Context, in model.InviteUsersInput) (*model.InviteUsersPayload, error) {
	payload := &model.InviteUsersPayload{Results: []*model.InviteUserResult{}, UserErrors: []*model.UserError{}}
	s, err := allowed[glpiproxy.Invitation](ctx, glpiproxy.Read, glpiproxy.Create)
	if err == nil {
		_, err = allowed[glpiproxy.User](ctx, glpiproxy.Read)
	}
	if err != nil {
		payload.UserErrors, err = oneRefusal(err)
		return payload, err
	}
	v := &inviting{resolver: r, session: s, in: in}
	if v.scope, err = s.Scope(ctx); err != nil {
		return nil, err
	}
	if payload.UserErrors = v.check(); len(payload.UserErrors) > 0 {
		return payload, nil
	}
	if v.chained, err = v.mustChain(ctx); err != nil {
		return nil, err
	}
	mistake, err := v.begin(ctx)
	if err != nil || mistake != nil {
		payload.UserErrors = mistakes(mistake)
		return payload, err
	}
	if err := v.carryOut(ctx); err != nil {
		return nil, err
	}
	for _, i := range v.invitees {
		payload.Results = append(payload.Results, i.result)
	}
	return payload, nil
}

// carryOut invites the people, unless that was done and its answer is kept.
func (v *inviting) carryOut(ctx context.Context) error {
	var kept []keptResult
	done, err := v.batch.Answer(&kept)
	switch {
	case err != nil:
		return err
	case done:
		return v.tellAgain(ctx, kept)
	}
	err = v.run(ctx)
	v.end(ctx, err)
	return err
}

// run does one step after the other for all, and invites them at last.
func (v *inviting) run(ctx context.Context) error {
	for _, step := range []func(context.Context) error{v.findPeople, v.createPeople, v.keepDefaultProfiles, v.findOwn} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(v.sound(), invitesAtOnce) {
		if err := v.goOn(ctx); err != nil {
			return err
		}
		if err := v.invite(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// check finds what is wrong with the input as a whole, and with each of the people.
func (v *inviting) check() []*model.UserError {
	wrong := []*model.UserError{}
	if n := len(v.in.Invitees); n == 0 || n > glpiproxy.MaxWrites {
		wrong = append(wrong, badAt("Give between 1 and "+strconv.Itoa(glpiproxy.MaxWrites)+".", "input", "invitees"))
	}
	if mistake := checkMessage(v.in.Message, "input", "message"); mistake != nil {
		wrong = append(wrong, mistake)
	}
	v.entityID = v.scope.EntityID
	if v.in.EntityID != nil {
		id, mistake := inputID("Entity", *v.in.EntityID, "input", "entityId")
		if mistake == nil && !v.scope.SeesEntity(id) {
			mistake = unknownAt("input", "entityId")
		}
		if mistake != nil {
			wrong = append(wrong, mistake)
		}
		v.entityID = id
	}
	if len(wrong) > 0 {
		return wrong
	}
	for place, in := range v.in.Invitees {
		i := &invitee{InviteeInput: in, place: place, result: &model.InviteUserResult{
			BehindIds: []string{}, SupersededIds: []string{}, UserErrors: []*model.UserError{},
		}}
		i.check()
		v.invitees = append(v.invitees, i)
	}
	return wrong
}

// checkMessage refuses what can't be an inviter's words: they are shown as they are, on as many lines.
func checkMessage(words *string, field ...string) *model.UserError {
	switch {
	case words == nil:
	case utf8.RuneCountInString(*words) > longestMessage:
		return badAt("At most "+strconv.Itoa(longestMessage)+" characters.", field...)
	case strings.ContainsFunc(*words, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\r\n\t", r) }):
		return badAt("It has control characters.", field...)
	}
	return nil
}

func (v *invitee) check() {
	if v.Slots < 1 || v.Slots > mostSlots {
		v.refuse(model.UserErrorCodeBadUserInput, "Give between 1 and "+strconv.Itoa(mostSlots)+".", "slots")
	}
	switch {
	case (v.Email == nil) == (v.UserID == nil):
		v.refuse(model.UserErrorCodeBadUserInput, "Give either an address or a user.")
	case v.Email != nil:
		var sound bool
		if v.email, sound = v.Email.Sound(); !sound {
			v.refuse(model.UserErrorCodeBadUserInput, "It is no e-mail address such as ada@acme.example.", "email")
		}
	default:
		id, wrong := inputID("User", *v.UserID)
		if wrong != nil {
			v.refuse(wrong.Code, wrong.Message, "userId")
		}
		v.user.ID = id
	}
}

// invite invites some of the people in one call, and ends their older invitations.
func (v *inviting) invite(ctx context.Context, part []*invitee) error {
	made, err := v.create(ctx, part)
	if err != nil {
		return err
	}
	ids := slices.Sorted(maps.Keys(made))
	found, err := glpiproxy.GetFresh[glpiproxy.Invitation](ctx, v.session, ids)
	if err != nil {
		return err
	}
	l, err := load(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		i, invited := made[id], found[id].Item
		if found[id].Err != nil || invited.UserID != i.user.ID {
			i.fail(&glpiproxy.Error{Kind: glpiproxy.Upstream})
			continue
		}
		if i.chain = append(i.chain, id); len(i.chain) > 1 {
			i.result.BehindIds = append(i.result.BehindIds, model.GlobalID("Invitation", id))
			continue
		}
		v.resolver.expectInvitation(l, invited)
		i.result.Invitation = &model.Invitation{Invitation: invited}
	}
	for _, i := range part {
		if i.result.Invitation == nil {
			continue
		}
		if err := v.note(ctx, i, found); err != nil {
			return err
		}
	}
	return v.supersede(ctx, part)
}

// create makes the invitations that people lack, of the same wish; made has an invitee for each invitation.
func (v *inviting) create(ctx context.Context, part []*invitee) (made map[int]*invitee, err error) {
	made = map[int]*invitee{}
	var missing []*invitee
	for _, i := range part {
		for _, id := range i.done {
			made[id] = i
		}
		missing = append(missing, slices.Repeat([]*invitee{i}, v.needs(i)-len(i.done))...)
	}
	for some := range slices.Chunk(missing, invitesAtOnce) {
		if err := v.goOn(ctx); err != nil {
			return nil, err
		}
		inputs := make([]glpiproxy.InvitationInput, len(some))
		for n, i := range some {
			inputs[n] = glpiproxy.InvitationInput{UserID: i.user.ID, EntityID: v.entityID}
		}
		outcomes, err := glpiproxy.CreateMany(ctx, v.session, inputs)
		if err != nil {
			return nil, err
		}
		for n, i := range some {
			if outcomes[n].Err != nil {
				i.fail(outcomes[n].Err, i.named())
				continue
			}
			made[outcomes[n].ID] = i
		}
	}
	return made, nil
}

// note keeps what GLPI has no room for, and tells those who watch. What was done before, and used since, is no news.
func (v *inviting) note(ctx context.Context, i *invitee, found map[int]glpiproxy.Result[glpiproxy.Invitation]) error {
	desk, made := v.resolver.Invitations, i.result.Invitation
	if len(i.chain) > 1 {
		if err := desk.Link(ctx, i.chain); err != nil {
			return err
		}
	}
	left, err := desk.Left(ctx, made.ID)
	if err != nil {
		return err
	}
	pending := func(id int) bool {
		return model.Invitation{Invitation: found[id].Item}.StateAt(v.resolver.Now()) == model.InvitationStatePending
	}
	if _, noted := left[made.ID]; !noted && i.Slots > 1 && !v.chained && pending(made.ID) {
		if err := desk.Allow(ctx, made.ID, i.Slots); err != nil {
			return err
		}
	}
	if v.in.Message != nil && strings.TrimSpace(*v.in.Message) != "" && slices.ContainsFunc(i.chain, pending) {
		if err := desk.SetMessage(ctx, made.ID, strings.TrimSpace(*v.in.Message)); err != nil {
			return err
		}
	}
	for _, id := range i.chain {
		if !pending(id) {
			continue
		}
		if err := desk.See(ctx, invitation.Sighting{InvitationID: id, EntityID: made.EntityID, State: invitation.StatePending}); err != nil {
			return err
		}
	}
	return nil
}
