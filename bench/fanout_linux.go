package main

import (
	"context"
	"fmt"
	"time"

	"fleetgate/bench/load"
)

// The goals of fan-out.
const (
	mostOfMosquitto  = 0.5      // CPU a delivery
	mostSubscriber   = 12 << 10 // bytes
	mostIdleCrowd    = 256 << 20
	idleCrowdInGoals = 20_000
)

// fanout compares what an event costs for each of many subscribers, and what each of these takes.
func fanout(ctx context.Context, b *bench) (section, error) {
	mosquitto, others, err := b.peersFanout(ctx)
	if err != nil {
		return section{}, err
	}
	s := section{title: "Fan-out", text: fmt.Sprintf("%d subscribers of one document. Each event is let out when everybody has the one "+
		"before, so that no server can put two into one write; %d events a round, the median of %d rounds. Then %d events at once, after "+
		"which memory is read again. At Fleetgate they are %d viewers who signed in, all of one company, who see some of the devices and "+
		"want some kinds of events; %d more subscribers are of another company, who must get nothing of this (but do hear of their own "+
		"devices), and count for memory. Nobody signs in at the peers. Memory is what the process grew by: one that had room left from "+
		"signing viewers in grows by less, so look at the whole process under \"More subscribers\" too. Every message is held to be the right one, in order and JSON.",
		b.subscribers, b.events, b.rounds, b.burst, b.viewers, b.strangers)}
	t := table{head: []string{"", "CPU a delivery", "of Mosquitto's", "To all of them", "Memory a subscriber", "after a burst"}}
	row := func(name string, c cost) {
		t.add(name, micro(c.delivery), ratio(c.delivery, mosquitto.delivery), milli(c.wall), kib(c.each(c.idle)), kib(c.each(c.burst)))
	}
	for _, protocol := range []load.Protocol{load.GraphQLTransportWS, load.GraphQLWS, load.SSE} {
		c, err := b.gatewayFanout(ctx, protocol)
		if err != nil {
			return section{}, err
		}
		row(gatewayName+", "+protocol.Name, c)
		s.goals = append(s.goals, fanoutGoals(protocol.Name, c, mosquitto)...)
	}
	row(mosquittoName, mosquitto)
	for _, p := range others {
		row(p.name, p.cost)
	}
	s.tables = []table{t}
	return s, nil
}

func fanoutGoals(protocol string, c, mosquitto cost) []goal {
	return []goal{
		{fmt.Sprintf("at most %.1f of Mosquitto's CPU a delivery over %s", mostOfMosquitto, protocol),
			ratio(c.delivery, mosquitto.delivery), float64(c.delivery) <= mostOfMosquitto*float64(mosquitto.delivery)},
		{fmt.Sprintf("at most %s a subscriber over %s", kib(mostSubscriber), protocol),
			kib(c.each(c.idle)), c.each(c.idle) <= mostSubscriber},
	}
}

// named is what a server costs.
type named struct {
	name string
	cost cost
}

// peersFanout measures the peers, each alone.
func (b *bench) peersFanout(ctx context.Context) (mosquitto cost, others []named, err error) {
	for _, name := range []string{mosquittoName, yogaName, gqlgenName} {
		s, err := b.startPeer(ctx, name)
		if err != nil {
			return cost{}, nil, err
		}
		c, err := b.peerFanout(ctx, s)
		if err != nil {
			return cost{}, nil, err
		}
		if name == mosquittoName {
			mosquitto = c
			continue
		}
		others = append(others, named{name, c})
	}
	return mosquitto, others, nil
}

// gatewayFanout has many viewers of one company subscribe, and some of another, who get nothing.
func (b *bench) gatewayFanout(ctx context.Context, protocol load.Protocol) (cost, error) {
	f, err := b.startFleet(ctx, b.gateway, b.devices, b.viewers)
	if err != nil {
		return cost{}, err
	}
	defer f.stop()
	a, err := gather(&f.server)
	if err != nil {
		return cost{}, err
	}
	defer a.crowd.Close()
	asked := load.Subscription{Query: events, Variables: positions()}
	strangers := &load.Group{Protocol: protocol, Subscription: asked}
	if err := a.joinApart(ctx, strangers, b.strangers, anyOf([]string{f.stranger})); err != nil {
		return cost{}, err
	}
	if err := a.join(ctx, &load.Group{Protocol: protocol, Subscription: asked}, b.subscribers, anyOf(f.viewers)); err != nil {
		return cost{}, err
	}
	if err := a.settle(ctx); err != nil {
		return cost{}, err
	}
	if err := a.prove(ctx, strangers, b.strangers, func() error { return f.say(f.crew.Globex, event{1}) }); err != nil {
		return cost{}, err
	}
	return b.measure(ctx, a, b.events, b.burst)
}

// peerFanout has as many subscribe who need no sign-in.
func (b *bench) peerFanout(ctx context.Context, s *server) (cost, error) {
	defer s.stop()
	a, err := gather(s)
	if err != nil {
		return cost{}, err
	}
	defer a.crowd.Close()
	if err := a.join(ctx, peerGroup(s), b.subscribers, nobody); err != nil {
		return cost{}, err
	}
	if err := a.settle(ctx); err != nil {
		return cost{}, err
	}
	return b.measure(ctx, a, b.events, b.burst)
}

// measure measures an audience and logs what came of it.
func (b *bench) measure(ctx context.Context, a *audience, events, burst int) (cost, error) {
	time.Sleep(b.pause)
	c, err := a.measure(ctx, events, burst, b.rounds)
	if err == nil {
		b.log("%s, %d subscribers: %s a delivery, %s to all, %s a subscriber, %s after a burst", a.server.name, c.subscribers,
			micro(c.delivery), milli(c.wall), kib(c.each(c.idle)), kib(c.each(c.burst)))
	}
	return c, err
}

// peerGroup is who asks a peer for the same.
func peerGroup(s *server) *load.Group {
	if s.name == mosquittoName {
		return &load.Group{Protocol: load.MQTT, Subscription: load.Subscription{Query: eventTopic}}
	}
	return &load.Group{Protocol: load.GraphQLTransportWS, Subscription: load.Subscription{Query: events, Variables: positions()}}
}

// How quantities are written.

func micro(d time.Duration) string {
	return fmt.Sprintf("%.1f µs", float64(d)/float64(time.Microsecond))
}

func milli(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

func kib(bytes int64) string { return fmt.Sprintf("%.1f KiB", float64(bytes)/(1<<10)) }

func mib(bytes int64) string { return fmt.Sprintf("%.0f MiB", float64(bytes)/(1<<20)) }

// ratio is how often one goes into another.
func ratio(of, in time.Duration) string {
	if in == 0 {
		return "none"
	}
	return fmt.Sprintf("%.2f", float64(of)/float64(in))
}
