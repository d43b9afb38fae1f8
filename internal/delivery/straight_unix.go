//go:build unix

package delivery

import (
	"net"
	"syscall"
)

// rawConn is how a connection is written to without waiting; nil: it can't be.
func rawConn(conn net.Conn) syscall.RawConn {
	plain, ok := conn.(*net.TCPConn) // and not one that encrypts, say
	if !ok {
		return nil
	}
	raw, err := plain.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// once writes what the connection takes now.
func (b *buffer) once(fd uintptr) (done bool) {
	for {
		b.written, b.err = syscall.Write(int(fd), b.bytes)
		if b.err != syscall.EINTR {
			break
		}
	}
	if b.written = max(b.written, 0); b.err == syscall.EAGAIN {
		b.err = nil
	}
	return true
}
