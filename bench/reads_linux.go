package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"fleetgate/bench/load"
)

// earlier is the commit of the Fleetgate before its reads were made faster.
const earlier = "bc6f975"

// The goals of reads.
const (
	leastOfBare       = 0.5 // requests for the CPU time
	leastOfYoga       = 10  // the same, its response cache off
	leastOfCachedYoga = 1   // and on
	leastOfEarlier    = 3   // executed, not from the response cache
	leastOfGqlgen     = 3   // the same, though gqlgen's own handler has all at hand and checks no sign-in
)

// readable is a server of which the page is asked.
type readable struct {
	*server
	authorization string
	cpu           []time.Duration // a request, by round
	rate          []float64       // requests a second
	took          []time.Duration
	bytes         int
}

// reads compares how fast a page of devices is answered.
func reads(ctx context.Context, b *bench) (section, error) {
	servers, err := b.startReadables(ctx)
	for _, r := range servers {
		defer r.stop()
	}
	if err != nil {
		return section{}, err
	}
	for range b.rounds {
		for _, r := range servers {
			if err := b.readRound(ctx, r); err != nil {
				return section{}, fmt.Errorf("%s: %w", r.name, err)
			}
		}
	}
	s := section{title: "Reads", text: fmt.Sprintf("The first page of 50 devices (the screen `deviceList` of `bench/screens`), asked over %d "+
		"connections, one request after another on each; all servers run, one is asked at a time, in turn, %s each; medians of %d rounds. "+
		"Fleetgate checks the sign-in each time; nobody signs in at the peers. What counts is the CPU of the server process, since the clients "+
		"run on the same cores.", b.readers, b.reading, b.rounds)}
	of := map[string]*readable{}
	for _, r := range servers {
		of[r.name] = r
	}
	t := table{head: []string{"", "CPU a request", "Requests for a second of CPU", "of the bare handler's", "Requests/s, with the clients on the same cores", "Median"}}
	for _, r := range servers {
		t.add(r.name, micro(r.spends()), fmt.Sprintf("%.0f", r.capacity()), fmt.Sprintf("%.2f", r.capacity()/of[bareName].capacity()),
			fmt.Sprintf("%.0f", median(r.rate)), milli(median(r.took)))
	}
	s.tables, s.goals = []table{t}, readGoals(of)
	return s, nil
}

// readGoals says of each goal whether it is met; of those whose servers were not measured nothing.
func readGoals(of map[string]*readable) (all []goal) {
	for _, g := range []struct {
		want      string
		which, to string
		least     float64
	}{
		{"a warm page at %g of a bare handler that writes the same bytes", gatewayName, bareName, leastOfBare},
		{"a warm page %g times as fast as graphql-yoga, its response cache off", gatewayName, yogaName, leastOfYoga},
		{"a warm page at least %g times as fast as graphql-yoga, its response cache on", gatewayName, yogaCacheName, leastOfCachedYoga},
		{"executed from live objects, %g times as fast as Fleetgate before", uncachedName, earlierName, leastOfEarlier},
		{"executed from live objects, %g times as fast as gqlgen's own handler", uncachedName, gqlgenPageName, leastOfGqlgen},
	} {
		which, to := of[g.which], of[g.to]
		if which == nil || to == nil {
			continue
		}
		got := which.capacity() / to.capacity()
		all = append(all, goal{fmt.Sprintf(g.want, g.least), fmt.Sprintf("%.2f", got), got >= g.least})
	}
	return all
}

// The gateways that are read from, beside the one as it is.
const (
	uncachedName = gatewayName + ", executed each time"
	earlierName  = gatewayName + " at " + earlier + ", executed each time"
)

// spends is the CPU time of a request.
func (r *readable) spends() time.Duration { return median(r.cpu) }

// capacity is how many requests a second of CPU time is enough for.
func (r *readable) capacity() float64 { return float64(time.Second) / float64(max(r.spends(), 1)) }

// startReadables starts all servers that answer with a page.
func (b *bench) startReadables(ctx context.Context) (all []*readable, err error) {
	add := func(name, binary string, flags ...string) error {
		f, err := b.startFleet(ctx, binary, b.devices, 1, flags...)
		if err == nil {
			f.name = name
			all = append(all, &readable{server: &f.server, authorization: f.viewers[0]})
		}
		return err
	}
	if err := add(gatewayName, b.gateway); err != nil {
		return all, err
	}
	if err := add(uncachedName, b.gateway, "--response-cache-mb=0"); err != nil {
		return all, err
	}
	if b.earlier {
		binary, err := b.buildEarlier(ctx)
		if err == nil {
			err = add(earlierName, binary)
		}
		if err != nil {
			return all, err
		}
	}
	for _, name := range []string{bareName, yogaName, yogaCacheName, gqlgenPageName} {
		s, err := b.startPeer(ctx, name)
		if err != nil {
			return all, err
		}
		all = append(all, &readable{server: s})
	}
	return all, nil
}

// buildEarlier builds the gateway as it was, where the source has its history.
func (b *bench) buildEarlier(ctx context.Context) (binary string, err error) {
	source := filepath.Join(b.folder, earlier)
	if err := os.Mkdir(source, 0o700); err != nil {
		return "", err
	}
	archive := exec.CommandContext(ctx, "git", "-C", b.root, "archive", "--format=tar", earlier)
	unpack := exec.CommandContext(ctx, "tar", "-x", "-C", source)
	var packed bytes.Buffer
	archive.Stdout, unpack.Stdin = &packed, &packed
	if err := archive.Run(); err != nil {
		return "", fmt.Errorf("git has no such commit: %w", err)
	}
	if err := unpack.Run(); err != nil {
		return "", err
	}
	return b.buildGateway(ctx, source, "fleetgate-"+earlier)
}

// readRound has a server read from for a while.
func (b *bench) readRound(ctx context.Context, r *readable) error {
	body, err := json.Marshal(map[string]string{"query": deviceList})
	if err != nil {
		return err
	}
	header := http.Header{"Content-Type": {"application/json"}, "Accept": {"application/graphql-response+json"}, "User-Agent": {"bench"}}
	if r.authorization != "" {
		header.Set("Authorization", r.authorization)
	}
	readers := load.Readers{Server: r.address, Path: "/graphql", Header: header, Body: body, Connections: b.readers, Check: isPage}
	if _, err := readers.Read(ctx, b.reading/4); err != nil { // to warm up
		return err
	}
	var came load.Reading
	spent, err := r.process.Spends(func() (err error) {
		came, err = readers.Read(ctx, b.reading)
		return err
	})
	if err != nil {
		return err
	}
	r.cpu = append(r.cpu, spent/time.Duration(max(came.Requests, 1)))
	r.rate = append(r.rate, float64(came.Requests)/came.Elapsed.Seconds())
	r.took = append(r.took, came.Median)
	r.bytes = came.Bytes
	b.log("%s: %s a request, %.0f/s, %d bytes", r.name, micro(r.cpu[len(r.cpu)-1]), r.rate[len(r.rate)-1], r.bytes)
	return nil
}

// isPage holds an answer to be a page of 50 devices.
func isPage(body []byte) error {
	var answer struct {
		Data struct {
			Agents struct{ Nodes []struct{ ID, Name string } }
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	if n := len(answer.Data.Agents.Nodes); n != 50 || answer.Data.Agents.Nodes[49].ID == "" {
		return fmt.Errorf("%d devices on a page of 50: %.300s", n, body)
	}
	return nil
}
