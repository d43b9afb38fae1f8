package upload_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"fleetgate/internal/upload"
)

func TestFiles(t *testing.T) {
	broken := errors.New("connection reset")
	tests := []struct {
		name string
		from io.Reader
		want string // what is read
		fail error  // what reading ends with
	}{
		{"nothing", strings.NewReader(""), "", nil},
		{"less than the limit", strings.NewReader("abc"), "abc", nil},
		{"the limit", strings.NewReader("abcd"), "abcd", nil},
		{"byte by byte", iotest.OneByteReader(strings.NewReader("abcd")), "abcd", nil},
		{"the end with the last bytes", iotest.DataErrReader(strings.NewReader("abcd")), "abcd", nil},
		{"more than the limit", strings.NewReader("abcde"), "", &upload.TooLargeError{}},
		{"known to be too large", iotest.ErrReader(&upload.TooLargeError{Limit: 4}), "", &upload.TooLargeError{}},
		{"broken off", io.MultiReader(strings.NewReader("ab"), iotest.ErrReader(broken)), "ab", broken},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := upload.New("a.txt", "", test.from, 4)
			copied := file // resolvers get copies
			got, err := io.ReadAll(file)
			if string(got) != test.want || err != copied.Failure() {
				t.Errorf("got %q, %v; the copy tells %v", got, err, copied.Failure())
			}
			var tooLarge *upload.TooLargeError
			switch {
			case test.fail == nil && err != nil, test.fail != nil && err == nil:
				t.Errorf("got %v, want %v", err, test.fail)
			case errors.As(test.fail, &tooLarge):
				if !errors.As(err, &tooLarge) || tooLarge.Limit != 4 {
					t.Errorf("got %v", err)
				}
			case test.fail != nil && (!errors.Is(err, test.fail) || !errors.Is(err, upload.ErrCutShort)):
				t.Errorf("got %v, want that the client broke off", err)
			}
			if n, again := copied.Read(make([]byte, 1)); n != 0 || again == nil {
				t.Errorf("it can be read twice: %d, %v", n, again)
			}
		})
	}
}

func TestWhatIsNoFileIsRefused(t *testing.T) {
	for _, value := range []any{nil, "a.txt", map[string]any{}, 7} {
		if _, err := upload.UnmarshalFile(value); err == nil || !strings.Contains(err.Error(), "multipart") {
			t.Errorf("%v: got %v", value, err)
		}
	}
	var b strings.Builder
	upload.MarshalFile(upload.New("a.txt", "", strings.NewReader("x"), 4)).MarshalGQL(&b)
	if b.String() != "null" {
		t.Errorf("a file is answered as %s", b.String())
	}
}
