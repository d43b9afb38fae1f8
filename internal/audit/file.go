package audit

import (
	"fmt"
	"io"
	"os"
	"sync"
)

// File is a file of JSON lines that is only ever added to, line by line, each on the disk when it was written. A file that
// was moved away, as logrotate does, is begun anew. It is safe for concurrent use.
type File struct {
	path string

	mu   sync.Mutex
	file *os.File
}

// OpenFile opens the file for the trail's copy, which only its owner may read; "-" is the standard output.
func OpenFile(path string) (io.WriteCloser, error) {
	if path == "-" {
		return &output{}, nil
	}
	f := &File{path: path}
	if err := f.open(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) open() error {
	file, err := os.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err // it names the path
	}
	f.file = file
	return nil
}

// Write adds a line.
func (f *File) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.follow(); err != nil {
		return 0, err
	}
	n, err := f.file.Write(line)
	if err != nil {
		return n, err
	}
	return n, f.file.Sync()
}

// follow goes on in a new file where the path means another one by now.
func (f *File) follow() error {
	if f.file == nil {
		return fmt.Errorf("%s: %w", f.path, os.ErrClosed)
	}
	there, err := os.Stat(f.path)
	if err == nil {
		if open, err := f.file.Stat(); err == nil && os.SameFile(there, open) {
			return nil
		}
	}
	old := f.file
	if err := f.open(); err != nil {
		return err
	}
	return old.Close()
}

// Close ends it.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}

// output is the standard output, which stays open and has no disk to wait for.
type output struct{ mu sync.Mutex }

// Write adds a line.
func (o *output) Write(line []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return os.Stdout.Write(line)
}

// Close leaves it open.
func (*output) Close() error { return nil }
