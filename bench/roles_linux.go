package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"

	"fleetgate/bench/peers/gqlgen"
)

// serve is this program in the part of one of the servers, as a process of its own: "glpi DEVICES VIEWERS", "gqlgen
// PAGE" or "bare PAGE", of which a page is a file with the answer to the query for devices. It prints where it listens
// and ends when it is killed.
func serve(ctx context.Context, role []string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	url := "http://" + listener.Addr().String()
	var handler http.Handler
	switch {
	case len(role) == 3 && role[0] == "glpi":
		devices, err1 := strconv.Atoi(role[1])
		viewers, err2 := strconv.Atoi(role[2])
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		if handler, err = simulatedGLPI(ctx, devices, viewers); err != nil {
			return err
		}
	case len(role) == 2 && (role[0] == "gqlgen" || role[0] == "bare"):
		page, err := os.ReadFile(role[1])
		if err != nil {
			return err
		}
		if handler = bare(page); role[0] == "gqlgen" {
			if handler, err = gqlgen.New(page); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("no such server: %q", role)
	}
	fmt.Println("listening", url)
	return http.Serve(listener, handler)
}

// bare writes the same bytes whatever is asked: no server in Go on net/http can be faster.
func bare(page []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/graphql-response+json; charset=utf-8")
		_, _ = w.Write(page) // who went away misses it
	})
}
