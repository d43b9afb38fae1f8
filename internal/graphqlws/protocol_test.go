package graphqlws

import (
	"encoding/json"
	"testing"

	"github.com/vektah/gqlparser/v2/gqlerror"
)

// FuzzParse looks for messages that are taken for something they are not, or upset the reader.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"type":"connection_init","payload":{"Authorization":"Bearer x"}}`,
		`{"type":"subscribe","id":"a","payload":{"query":"{hello}","variables":{"n":1e400}}}`,
		`{"type":"start","id":"a","payload":{"query":"{hello}"}}`,
		`{"type":"ping","payload":null}`, `{"TYPE":"complete","ID":"b"}`, `[]`, `nil`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, d := range dialects {
			m, err := d.parse(data)
			if err != nil {
				continue
			}
			if !json.Valid(data) || (m.kind == subscribe && m.id == "") {
				t.Fatalf("%q was taken for %+v", data, m)
			}
			if _, err := m.object(); err == nil && m.payload != nil && m.payload[0] != '{' {
				t.Fatalf("%q was taken for an object", m.payload)
			}
			if params, err := m.parameters(); err == nil && params == nil {
				t.Fatalf("%q gave nothing", data)
			}
			for _, sent := range [][]byte{
				text(d.next, m.id, m.payload), d.failure(m.id, gqlerror.List{{Message: string(data)}}), d.failure(m.id, nil),
			} {
				if !json.Valid(sent) {
					t.Fatalf("not JSON: %s", sent)
				}
			}
		}
	})
}

func TestCloseFramesFit(t *testing.T) {
	for _, reason := range []string{"", "short", string(make([]byte, 500)), "\xff\xfe", "héé\xff"} {
		if got := (&CloseError{Code: 4400, Reason: reason}).frame(); len(got) > 127 {
			t.Errorf("%.20q: %d bytes", reason, len(got))
		}
	}
}
