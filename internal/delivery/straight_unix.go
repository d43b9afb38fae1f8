//go:build unix

package delivery

import (
	"net"
	"syscall"
)

// socket is a connection's descriptor, to be written to without waiting.
type socket int

const noSocket socket = -1

// socketOf is the descriptor of a connection; noSocket where writes would have to wait, or be encrypted, say. It may be
// used for as long as nobody has closed the connection.
func socketOf(conn net.Conn) socket {
	plain, ok := conn.(*net.TCPConn)
	if !ok {
		return noSocket
	}
	raw, err := plain.SyscallConn()
	if err != nil {
		return noSocket
	}
	s := noSocket
	if raw.Control(func(fd uintptr) { s = socket(fd) }) != nil {
		return noSocket
	}
	return s
}

// write writes what the socket takes now. It goes past net's own way to write, whose locks and deadlines are a twelfth
// of what a delivery costs; the Line has its own.
func (s socket) write(b []byte) (int, error) {
	if s == noSocket {
		return 0, nil
	}
	for {
		n, err := syscall.Write(int(s), b)
		switch err {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return 0, nil
		}
		return max(n, 0), err
	}
}
