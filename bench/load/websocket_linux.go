package load

import "encoding/binary"

// The opcodes of RFC 6455 that matter here.
const (
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10
)

// frame is one from a server, which masks nothing. Servers of GraphQL and MQTT send each message in one frame.
type frame struct {
	opcode  byte
	payload []byte // a part of what was parsed
}

// parseFrame takes the first frame off a stream; used is 0 as long as not all of it is there.
func parseFrame(stream []byte) (f frame, used int) {
	if len(stream) < 2 {
		return frame{}, 0
	}
	length, head := int(stream[1]&0x7f), 2
	switch {
	case length == 126 && len(stream) >= 4:
		length, head = int(binary.BigEndian.Uint16(stream[2:])), 4
	case length == 127 && len(stream) >= 10:
		length, head = int(binary.BigEndian.Uint64(stream[2:])), 10
	case length >= 126:
		return frame{}, 0
	}
	if len(stream) < head+length {
		return frame{}, 0
	}
	return frame{stream[0] & 0x0f, stream[head : head+length]}, head + length
}

// clientFrame is a frame as clients send them: masked, here with zeros, which changes no byte.
func clientFrame(opcode byte, payload []byte) []byte {
	const final, masked = 0x80, 0x80
	f := []byte{final | opcode}
	if len(payload) < 126 {
		f = append(f, masked|byte(len(payload)))
	} else {
		f = binary.BigEndian.AppendUint16(append(f, masked|126), uint16(len(payload)))
	}
	return append(append(f, 0, 0, 0, 0), payload...)
}

// upgrade is the request that opens a WebSocket.
func upgrade(host, path, subprotocol string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: " + subprotocol + "\r\n\r\n")
}
