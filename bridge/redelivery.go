package bridge

import (
	"hash/maphash"

	"github.com/eclipse/paho.golang/paho"
)

// redelivery knows a message that the broker sends again because it lost the connection before it got the
// acknowledgement: QoS 1 is "at least once", and an event is told once.
type redelivery struct {
	seed maphash.Seed
	seen map[uint16]uint64 // the packet identifiers of the session to what they were used for last
}

func newRedelivery() *redelivery {
	return &redelivery{seed: maphash.MakeSeed(), seen: map[uint16]uint64{}}
}

// again notes a message and says whether it was there before. Only the library's goroutine calls it.
func (r *redelivery) again(p *paho.Publish) bool {
	if p.QoS == 0 {
		return false
	}
	var h maphash.Hash
	h.SetSeed(r.seed)
	h.WriteString(p.Topic)
	h.WriteByte(0)
	h.Write(p.Payload)
	print := h.Sum64()
	repeated := p.Duplicate() && r.seen[p.PacketID] == print
	r.seen[p.PacketID] = print
	return repeated
}
