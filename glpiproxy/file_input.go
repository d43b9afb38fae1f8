package glpiproxy

// FileChange is what can be changed of a file.
type FileChange struct {
	Name    *string
	Comment *string
}

func (FileChange) changes(File) {}

func (c FileChange) write(f *fields) {
	f.renamed("name", c.Name)
	f.lines("comment", c.Comment)
}

// ApplicationChange is what can be changed of an application. GLPI overwrites the
// alias when it reads the package, some time after the upload.
type ApplicationChange struct{ Alias *string }

func (ApplicationChange) changes(Application) {}

func (c ApplicationChange) write(f *fields) { f.renamed("alias", c.Alias) }
