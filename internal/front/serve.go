package front

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// writeTimeout is how long an answer may take, from the end of the request's headers.
const writeTimeout = 2 * time.Minute

// Serve answers requests on the listener until ctx is done; then it closes the WebSockets, lets requests
// under way end, and returns nil, or an error when DrainTimeout did not suffice.
func (f *Front) Serve(ctx context.Context, listener net.Listener) error {
	// Requests outlive ctx: they may end in peace. What is left after the drain is cancelled.
	requests, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	server := &http.Server{
		Handler:           f,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second, // for the body; WebSockets and files have deadlines of their own
		WriteTimeout:      writeTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return requests },
		ErrorLog:          slog.NewLogLogger(f.logger.Handler(), slog.LevelDebug), // noise of broken clients
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		_ = f.connections.Shutdown(requests)
		return fmt.Errorf("serving HTTP: %w", err)
	case <-ctx.Done():
	}

	drain, cancel := context.WithTimeout(requests, f.drainTimeout)
	defer cancel()
	err := f.connections.Shutdown(drain)
	if stopErr := server.Shutdown(drain); stopErr != nil {
		cut()
		_ = server.Close()
		err = errors.Join(err, fmt.Errorf("letting requests end: %w", stopErr))
	}
	<-failed
	return err
}
