package graph

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

// longestFileName is what GLPI keeps of a name, in characters.
const longestFileName = 255

// checkFileName refuses what devices could take for a place elsewhere: they store a file under its name in the
// folder that it is deployed to. nil when there is nothing to refuse.
func checkFileName(name string, field ...string) *model.UserError {
	switch {
	case strings.TrimSpace(name) == "":
		return badAt("The name is empty.", field...)
	case strings.ContainsAny(name, `/\`) || name == "." || name == "..":
		return badAt("The name must not hold folders.", field...)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return badAt("The name has characters that no file name should have.", field...)
	case utf8.RuneCountInString(name) > longestFileName:
		return badAt("The name has more than 255 characters.", field...)
	}
	return nil
}

func updateFile(ctx context.Context, input model.UpdateFileInput) (*model.UpdateFilePayload, error) {
	refused := func(wrong *model.UserError, err error) (*model.UpdateFilePayload, error) {
		if err != nil {
			return nil, err
		}
		return &model.UpdateFilePayload{UserErrors: []*model.UserError{wrong}}, nil
	}
	id, wrong := inputID("File", input.ID, "input", "id")
	if wrong == nil && input.Name != nil {
		wrong = checkFileName(*input.Name, "input", "name")
	}
	if wrong != nil {
		return refused(wrong, nil)
	}
	s, err := allowed[glpiproxy.File](ctx, glpiproxy.Read, glpiproxy.Update)
	if err != nil {
		return nil, err
	}
	if input.Name != nil || input.Comment != nil {
		if err := glpiproxy.UpdateItem(ctx, s, id, glpiproxy.FileChange{Name: input.Name, Comment: input.Comment}); err != nil {
			return refused(refusal(err, "input", "id"))
		}
	}
	file, err := glpiproxy.Get[glpiproxy.File](ctx, s, id)
	if err != nil {
		return refused(refusal(err, "input", "id"))
	}
	return &model.UpdateFilePayload{File: &model.File{File: file}, UserErrors: []*model.UserError{}}, nil
}

func updateApplication(ctx context.Context, input model.UpdateApplicationInput) (*model.UpdateApplicationPayload, error) {
	refused := func(wrong *model.UserError, err error) (*model.UpdateApplicationPayload, error) {
		if err != nil {
			return nil, err
		}
		return &model.UpdateApplicationPayload{UserErrors: []*model.UserError{wrong}}, nil
	}
	id, wrong := inputID("Application", input.ID, "input", "id")
	if wrong == nil && input.Alias != nil {
		wrong = checkAlias(*input.Alias, "input", "alias")
	}
	if wrong != nil {
		return refused(wrong, nil)
	}
	s, err := allowed[glpiproxy.Application](ctx, glpiproxy.Read, glpiproxy.Update)
	if err != nil {
		return nil, err
	}
	if input.Alias != nil {
		if err := glpiproxy.UpdateItem(ctx, s, id, glpiproxy.ApplicationChange{Alias: input.Alias}); err != nil {
			return refused(refusal(err, "input", "id"))
		}
	}
	application, err := glpiproxy.Get[glpiproxy.Application](ctx, s, id)
	if err != nil {
		return refused(refusal(err, "input", "id"))
	}
	return &model.UpdateApplicationPayload{
		Application: &model.Application{Application: application, Whole: true}, UserErrors: []*model.UserError{},
	}, nil
}

// checkAlias refuses what no application should be called; nil when there is nothing to refuse.
func checkAlias(alias string, field ...string) *model.UserError {
	switch {
	case strings.TrimSpace(alias) == "":
		return badAt("The alias is empty.", field...)
	case !utf8.ValidString(alias) || strings.ContainsFunc(alias, unicode.IsControl):
		return badAt("The alias has characters that no name should have.", field...)
	case utf8.RuneCountInString(alias) > longestFileName:
		return badAt("The alias has more than 255 characters.", field...)
	}
	return nil
}
