package graph

import (
	"context"
	"errors"

	"fleetgate/graph/model"
	"fleetgate/internal/enrolment"
	"fleetgate/internal/signin"
)

// enroll enrols a device. Invitations that there are not, and devices of others, are counted like failed sign-ins: they may
// be guesses.
func (r *Resolver) enroll(ctx context.Context, in model.EnrollInput) (*model.EnrollPayload, error) {
	settle, wait := begin([]count{{r.AddressFailures, signin.ClientAddress(ctx)}})
	if settle == nil {
		return notEnrolled(&model.EnrollError{Code: model.EnrollFailureCodeRateLimited, Message: tooManyTries(wait).Message}), nil
	}
	done, err := r.Enrolments.Enroll(ctx, enrolmentRequest(in))
	var failed *enrolment.Failure
	explained := errors.As(err, &failed)
	settle(explained && (failed.Code == enrolment.InvitationInvalid || failed.Code == enrolment.DeviceTaken))
	switch {
	case explained:
		shown := &model.EnrollError{Code: model.EnrollFailureCode(failed.Code), Message: failed.Message}
		if failed.Field != "" {
			shown.Field = []string{"input", failed.Field}
		}
		return notEnrolled(shown), nil
	case err != nil:
		return nil, err
	}
	recordEntity(ctx, done.Credentials.EntityID)
	return &model.EnrollPayload{Agent: enrolledAgent(done), Warnings: done.Warnings, UserErrors: []*model.EnrollError{}}, nil
}

func notEnrolled(why *model.EnrollError) *model.EnrollPayload {
	return &model.EnrollPayload{Warnings: []string{}, UserErrors: []*model.EnrollError{why}}
}

func enrolmentRequest(in model.EnrollInput) enrolment.Request {
	given := func(text *string) string {
		if text == nil {
			return ""
		}
		return *text
	}
	return enrolment.Request{
		Deeplink: given(in.Deeplink), UserToken: given(in.UserToken), InvitationToken: given(in.InvitationToken),
		Email: in.Email, Serial: given(in.Serial), UUID: given(in.UUID),
		FirstName: given(in.FirstName), LastName: given(in.LastName), Phone: given(in.Phone),
		Version: in.Version, Type: model.MDMTypeWord(in.Type), Model: given(in.Model), OSVersion: given(in.OsVersion),
		Inventory: given(in.Inventory), CSR: given(in.Csr),
	}
}

func enrolledAgent(done enrolment.Enrolled) *model.EnrolledAgent {
	c := done.Credentials
	shown := &model.EnrolledAgent{
		AgentID: model.GlobalID("Agent", c.AgentID), DatabaseID: c.AgentID, Name: c.Name, Topic: c.Topic, APIToken: c.APIToken,
		Mqtt: &model.MqttCredentials{
			Broker: c.Broker, Port: c.Port, TLS: c.TLS, Username: done.Serial, Password: c.Password, Topic: c.Topic,
		},
	}
	if c.Certificate != "" {
		shown.Certificate = &c.Certificate
	}
	return shown
}
