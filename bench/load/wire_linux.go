// Package load makes load that costs little itself, so that it leaves the machine to the servers that are measured: a
// crowd of subscribers in one goroutine over one epoll, without buffers of their own, and readers over HTTP. Both check
// what they are given.
package load

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"
)

// wire is a TCP connection without Go's runtime behind it: it blocks while a subscription is asked for, and is read
// through epoll from then on.
type wire struct {
	fd   int
	read []byte // and not used yet
}

const (
	patience = 20 * time.Second // for a server to answer
	// perAddress is how many connections come from one address of this machine: servers bound them by address, and an
	// address has some 28,000 ports.
	perAddress = 900
)

// dial connects the number-th client to a server of this machine, from one of 127.0.0.1 to 127.0.0.254.
func dial(server netip.AddrPort, number int) (*wire, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening a socket: %w", err)
	}
	w := &wire{fd: fd}
	limit := syscall.NsecToTimeval(int64(patience))
	from := &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(1 + number/perAddress%250)}}
	to := &syscall.SockaddrInet4{Addr: server.Addr().As4(), Port: int(server.Port())}
	for _, step := range []func() error{
		func() error { return syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &limit) },
		func() error { return syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1) },
		func() error { return syscall.Bind(fd, from) },
		func() error { return syscall.Connect(fd, to) },
	} {
		if err := step(); err != nil {
			w.close()
			return nil, fmt.Errorf("connecting to %s: %w", server, err)
		}
	}
	return w, nil
}

func (w *wire) close() { _ = syscall.Close(w.fd) }

// write sends all of it. What clients send is short: a socket that takes no more of it is broken.
func (w *wire) write(data []byte) error {
	n, err := syscall.Write(w.fd, data)
	if err == nil && n < len(data) {
		err = fmt.Errorf("only %d of %d bytes went out", n, len(data))
	}
	return err
}

// fill reads more; it blocks.
func (w *wire) fill() error {
	more := make([]byte, 4096)
	n, err := syscall.Read(w.fd, more)
	for errors.Is(err, syscall.EINTR) { // Go's own signals do that
		n, err = syscall.Read(w.fd, more)
	}
	switch {
	case err != nil:
		return fmt.Errorf("no answer: %w", err)
	case n == 0:
		return fmt.Errorf("the server hung up; its last words: %q", w.read)
	}
	w.read = append(w.read, more[:n]...)
	return nil
}

// headers reads the head of an HTTP response, which must have a status.
func (w *wire) headers(status string) error {
	for {
		if end := bytes.Index(w.read, []byte("\r\n\r\n")); end >= 0 {
			head := w.read[:end]
			if !bytes.HasPrefix(head, []byte("HTTP/1.1 "+status)) {
				return fmt.Errorf("the server answered %q, not %s", w.read, status)
			}
			w.read = w.read[end+4:]
			return nil
		}
		if err := w.fill(); err != nil {
			return err
		}
	}
}

// frame reads one message of a WebSocket.
func (w *wire) frame() ([]byte, error) {
	for {
		f, used := parseFrame(w.read)
		if used > 0 {
			payload := bytes.Clone(f.payload)
			w.read = w.read[used:]
			if f.opcode == opClose {
				return nil, fmt.Errorf("the server closed the socket: %q", payload)
			}
			return payload, nil
		}
		if err := w.fill(); err != nil {
			return nil, err
		}
	}
}
