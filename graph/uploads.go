package graph

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
	"fleetgate/internal/upload"
)

func uploadFile(ctx context.Context, input model.UploadFileInput) (*model.UploadFilePayload, error) {
	refused := func(wrong *model.UserError) *model.UploadFilePayload {
		return &model.UploadFilePayload{UserErrors: []*model.UserError{wrong}}
	}
	sent := glpiproxy.UploadInput{FileName: input.File.Name, Comment: valueOf(input.Comment)}
	wrong := checkFileName(input.File.Name, "input", "file")
	if input.Name != nil && wrong == nil {
		sent.Name = *input.Name
		wrong = checkFileName(*input.Name, "input", "name")
	}
	if wrong != nil {
		return refused(wrong), nil
	}
	file, wrong, err := send[glpiproxy.File](ctx, input.File, sent)
	if err != nil {
		return nil, err
	}
	if wrong != nil {
		return refused(wrong), nil
	}
	return &model.UploadFilePayload{File: &model.File{File: file}, UserErrors: []*model.UserError{}}, nil
}

// packageEndings are those of the files that GLPI takes for applications.
var packageEndings = []string{".apk", ".upk"}

func uploadApplication(ctx context.Context, input model.UploadApplicationInput) (*model.UploadApplicationPayload, error) {
	refused := func(wrong *model.UserError) *model.UploadApplicationPayload {
		return &model.UploadApplicationPayload{UserErrors: []*model.UserError{wrong}}
	}
	name := input.File.Name
	ending := path.Ext(name)
	sent := glpiproxy.UploadInput{FileName: name, Name: strings.TrimSuffix(name, ending)}
	wrong := checkFileName(name, "input", "file")
	if wrong == nil && !slices.Contains(packageEndings, strings.ToLower(ending)) {
		wrong = badAt("The file is no Android package: its name ends in neither .apk nor .upk.", "input", "file")
	}
	if input.Alias != nil && wrong == nil {
		sent.Name = *input.Alias
		wrong = checkAlias(*input.Alias, "input", "alias")
	}
	if wrong != nil {
		return refused(wrong), nil
	}
	application, wrong, err := send[glpiproxy.Application](ctx, input.File, sent)
	if err != nil {
		return nil, err
	}
	if wrong != nil {
		return refused(wrong), nil
	}
	return &model.UploadApplicationPayload{
		Application: &model.Application{Application: application, Whole: true}, UserErrors: []*model.UserError{},
	}, nil
}

// send passes a file on to GLPI while it comes in, and reads what GLPI made of it.
func send[T glpiproxy.Uploadable](ctx context.Context, file upload.File, sent glpiproxy.UploadInput) (T, *model.UserError, error) {
	var none T
	s, err := allowed[T](ctx, glpiproxy.Read, glpiproxy.Create)
	if err != nil {
		return none, nil, err
	}
	content, wrong, err := opened(file)
	if wrong != nil || err != nil {
		return none, wrong, err
	}
	sent.Content = content
	id, err := glpiproxy.Upload[T](ctx, s, sent)
	if err != nil {
		discard[T](ctx, s, id)
		if file.Failure() != nil {
			err = file.Failure()
		}
		wrong, refused := uploadRefusal(err)
		if wrong != nil && glpiproxy.KindOf(err) == glpiproxy.Invalid {
			wrong.Message += fmt.Sprintf(" GLPI takes only the kinds of files on its list of document types: is %q on it?", path.Ext(file.Name))
		}
		return none, wrong, refused
	}
	made, err := glpiproxy.Get[T](ctx, s, id)
	return made, nil, err
}

// opened makes sure that there is something to pass on, before GLPI is bothered.
func opened(file upload.File) (io.Reader, *model.UserError, error) {
	first := make([]byte, 512)
	n, err := io.ReadAtLeast(file, first, 1)
	if errors.Is(err, io.EOF) {
		return nil, badAt("The file is empty. One file can be used by one field only.", "input", "file"), nil
	}
	if err != nil {
		wrong, err := uploadRefusal(err)
		return nil, wrong, err
	}
	return io.MultiReader(bytes.NewReader(first[:n]), file), nil, nil
}

// uploadRefusal tells the caller's mistakes from what GLPI could not do with a file.
func uploadRefusal(err error) (*model.UserError, error) {
	var tooLarge *upload.TooLargeError
	switch {
	case errors.As(err, &tooLarge):
		message := fmt.Sprintf("The file is larger than %d MiB.", tooLarge.Limit>>20)
		return userError(model.UserErrorCodeTooLarge, message, "input", "file"), nil
	case errors.Is(err, upload.ErrCutShort):
		return nil, badInput("%s", upload.ErrCutShort)
	}
	return refusal(err, "input", "file")
}

// discard removes what GLPI made of a file that it did not take whole; 0: it made nothing.
func discard[T glpiproxy.Deletable](ctx context.Context, s *glpiproxy.Session, id int) {
	if id > 0 {
		_ = glpiproxy.DeleteItem[T](context.WithoutCancel(ctx), s, id) // as well as the viewer may
	}
}

// valueOf is an optional text, empty where it is left out.
func valueOf(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
