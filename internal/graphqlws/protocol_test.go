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
				frame(d.next, m.id, m.payload), d.errorFrame(m.id, gqlerror.List{{Message: string(data)}}), d.errorFrame(m.id, nil),
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
		if got := (&CloseError{Code: 4400, Reason: reason}).frame(); len(got) > 125 {
			t.Errorf("%.20q: %d bytes", reason, len(got))
		}
	}
}

func TestOutbox(t *testing.T) {
	o := newOutbox(3, 10)
	large, small := make([]byte, 20), make([]byte, 5)
	for range 3 { // what was taken leaves room
		if !o.put(large) {
			t.Fatal("a large frame was refused by an empty queue")
		}
		if o.put(small) {
			t.Fatal("more bytes than the limit were queued")
		}
		if got := o.take(); len(got) != len(large) {
			t.Fatalf("took %d bytes", len(got))
		}
	}
	o = newOutbox(3, 100)
	for n := 1; n <= 3; n++ {
		if !o.put(make([]byte, n)) {
			t.Fatalf("frame %d was refused", n)
		}
	}
	if o.put(small) {
		t.Fatal("more frames than the limit were queued")
	}
	for n := 1; n <= 3; n++ {
		if got := o.take(); len(got) != n {
			t.Fatalf("took %d bytes, want %d: out of order", len(got), n)
		}
	}
	if o.take() != nil {
		t.Fatal("took a frame of an empty queue")
	}
}

func TestClientsAreForgotten(t *testing.T) {
	transport, err := New(Options{MaxConnectionsPerClient: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, client := range []string{"192.0.2.1", "192.0.2.2"} {
		if transport.admit(client) != 0 || transport.admit(client) == 0 {
			t.Fatalf("%s: one connection is allowed, not two", client)
		}
	}
	transport.leave("192.0.2.1")
	transport.leave("192.0.2.2")
	if len(transport.byClient) != 0 || transport.total != 0 {
		t.Errorf("left behind: %v, %d", transport.byClient, transport.total)
	}
}
