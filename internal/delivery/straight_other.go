//go:build !unix

package delivery

import (
	"net"
	"syscall"
)

// rawConn tells that connections can't be written to without waiting here: a goroutine does it.
func rawConn(net.Conn) syscall.RawConn { return nil }

func (b *buffer) once(uintptr) (done bool) { return true }
