package graph

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// userColumns are the input fields behind GLPI's columns of a user.
var userColumns = map[string]string{
	"name": "username", "firstname": "firstName", "realname": "lastName", "phone": "phone", "phone2": "phone2",
	"mobile": "mobile", "registration_number": "registrationNumber", "comment": "comment", "language": "language",
	"begin_date": "validFrom", "end_date": "validUntil", "usertitles_id": "titleId", "usercategories_id": "categoryId",
	"locations_id": "locationId", "is_active": "isActive", "password": "password", "profiles_id": "defaultProfileId",
	"entities_id": "defaultEntityId",
}

// userLinks are the input fields that name items of a type.
var userLinks = map[string]string{"UserTitle": "titleId", "UserCategory": "categoryId", "Location": "locationId"}

// columnRefusals tells the caller's mistakes in a write, each at the input field of its column, with dots between names;
// otherwise at the field given. The error is what nobody can help by another input.
func columnRefusals(err error, columns, links map[string]string, otherwise ...string) ([]*model.UserError, error) {
	if err == nil {
		return nil, nil
	}
	var failed *glpiproxy.Error
	if !errors.As(err, &failed) {
		return oneRefusal(err, otherwise...)
	}
	if failed.Kind == glpiproxy.Unchanged {
		var wrong []*model.UserError
		for _, column := range failed.Fields {
			wrong = append(wrong, userError(model.UserErrorCodeUnchanged, "GLPI accepted it and did not save it.", at(columns[column])...))
		}
		return wrong, nil
	}
	if column, why, ok := strings.Cut(failed.Message, ": "); ok && failed.Kind == glpiproxy.Invalid && columns[column] != "" {
		return []*model.UserError{badAt(sentence(why), at(columns[column])...)}, nil
	}
	if itemtype, ok := strings.CutPrefix(failed.Message, "no such "); ok && failed.Kind == glpiproxy.NotFound && links[itemtype] != "" {
		return []*model.UserError{unknownAt("input", links[itemtype])}, nil
	}
	return oneRefusal(err, otherwise...)
}

// at is the path of an input field whose names are joined with dots.
func at(field string) []string { return append([]string{"input"}, strings.Split(field, ".")...) }

func oneRefusal(err error, field ...string) ([]*model.UserError, error) {
	wrong, err := refusal(err, field...)
	if err != nil {
		return nil, err
	}
	return []*model.UserError{wrong}, nil
}

// loginFormat is what GLPI takes for a user name.
var loginFormat = regexp.MustCompile(`^[\pL\pN'@._\- ]+$`)

// checkUsername refuses what GLPI would, in English and with the reason.
func checkUsername(username *string) *model.UserError {
	switch {
	case username == nil:
		return nil
	case strings.TrimSpace(*username) == "" || !loginFormat.MatchString(*username):
		return badAt("A user name has letters, digits, spaces and ' . @ - _ only.", "input", "username")
	case strings.TrimSpace(*username) != *username: // to a database the same name as without, to a reader too
		return badAt("A user name neither begins nor ends with a space.", "input", "username")
	case isMachine(*username):
		return badAt("User names that begin so are for the accounts of devices.", "input", "username")
	}
	return nil
}

// atMost bounds a list in an input.
func atMost(count, most int, field ...string) *model.UserError {
	if count <= most {
		return nil
	}
	return badAt("At most "+strconv.Itoa(most)+" at once.", field...)
}

var languageFormat = regexp.MustCompile(`^([a-z]{2,3}_[A-Z0-9]{2,4})?$`)

func checkLanguage(language *string) *model.UserError {
	if language == nil || languageFormat.MatchString(*language) {
		return nil
	}
	return badAt("A language is written like en_GB.", "input", "language")
}

// listID reads the id of an entry of one of GLPI's lists of names: nil stays, an empty text is none.
func listID(typename string, globalID *string, field string, wrong *[]*model.UserError) *int {
	if globalID == nil {
		return nil
	}
	id := 0
	if *globalID != "" {
		var mistake *model.UserError
		if id, mistake = inputID(typename, *globalID, "input", field); mistake != nil {
			*wrong = append(*wrong, mistake)
		}
	}
	return &id
}
