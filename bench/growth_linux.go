package main

import (
	"context"
	"fmt"
	"time"

	"fleetgate/bench/chart"
	"fleetgate/bench/load"
)

// growth shows how cost grows with the number of subscribers.
func growth(ctx context.Context, b *bench) (section, error) {
	s := section{title: "More subscribers", text: fmt.Sprintf("The same as fan-out over graphql-transport-ws, with a growing crowd: "+
		"memory before events flow, and CPU while they do. The peers have %d subscribers at most, since Mosquitto takes minutes to let more in.", b.peerCrowd)}
	servers := []string{gatewayName, mosquittoName, yogaName, gqlgenName}
	byServer := map[string][]cost{}
	for _, name := range servers {
		costs, err := b.grow(ctx, name)
		if err != nil {
			return section{}, err
		}
		byServer[name] = costs
	}
	s.tables, s.pictures = []table{b.growthTable(servers, byServer)}, growthPictures(servers, byServer)
	idle, err := b.idleCrowd(ctx)
	if err != nil {
		return section{}, err
	}
	scaled := idle.base + idle.each(idle.idle)*idleCrowdInGoals
	s.goals = []goal{{fmt.Sprintf("%d idle subscribers in %s", idleCrowdInGoals, mib(mostIdleCrowd)),
		fmt.Sprintf("%s with %d at a gateway just started, %s a subscriber, which makes %s for %d; %s before anybody came", mib(idle.idle),
			idle.subscribers, kib(idle.each(idle.idle)), mib(scaled), idleCrowdInGoals, mib(idle.base)),
		scaled <= mostIdleCrowd && idle.subscribers >= idleCrowdInGoals-spareFiles}}
	if b.mostSubscribers < b.crowds[len(b.crowds)-1] {
		s.notes = append(s.notes, fmt.Sprintf("The machine lets a process open %d files and not one more, so that %d subscribers are the most that "+
			"a server can have here.", b.mostSubscribers+spareFiles, b.mostSubscribers))
	}
	return s, nil
}

func (b *bench) growthTable(servers []string, byServer map[string][]cost) table {
	t := table{head: []string{"Subscribers", "", "CPU a delivery", "To all of them", "Memory", "a subscriber"}}
	for i := range b.crowds {
		for _, name := range servers {
			if i >= len(byServer[name]) {
				continue
			}
			c := byServer[name][i]
			t.add(fmt.Sprint(c.subscribers), name, micro(c.delivery), milli(c.wall), mib(c.idle), kib(c.each(c.idle)))
		}
	}
	return t
}

func growthPictures(servers []string, byServer map[string][]cost) []picture {
	cpu := chart.Chart{Title: "CPU of the server for each delivery", X: "subscribers", Y: "µs"}
	memory := chart.Chart{Title: "Resident memory of the server", X: "subscribers, connected and subscribed", Y: "MiB"}
	for _, name := range servers {
		cpuLine, memoryLine := chart.Line{Name: name}, chart.Line{Name: name}
		for _, c := range byServer[name] {
			cpuLine.Points = append(cpuLine.Points, chart.Point{X: float64(c.subscribers), Y: inMicroseconds(c.delivery)})
			memoryLine.Points = append(memoryLine.Points, chart.Point{X: float64(c.subscribers), Y: float64(c.idle) / (1 << 20)})
		}
		cpu.Lines, memory.Lines = append(cpu.Lines, cpuLine), append(memory.Lines, memoryLine)
	}
	return []picture{{"fanout-cpu", cpu}, {"fanout-memory", memory}}
}

// inMicroseconds is a time for a chart, which has no 0.
func inMicroseconds(d time.Duration) float64 { return max(0.01, float64(d)/float64(time.Microsecond)) }

// grow measures a server with one crowd after another, each made of the last one and those who came.
func (b *bench) grow(ctx context.Context, name string) ([]cost, error) {
	s, group, who, err := b.startWithGroup(ctx, name)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	a, err := gather(s)
	if err != nil {
		return nil, err
	}
	defer a.crowd.Close()
	var costs []cost
	for _, size := range b.crowds {
		if size > b.peerCrowd && name != gatewayName {
			break
		}
		size = min(size, b.mostSubscribers)
		if err := a.join(ctx, group, size-a.hears, who); err != nil {
			return nil, err
		}
		if err := a.settle(ctx); err != nil {
			return nil, err
		}
		const deliveries = 20_000 // about as many in each round
		c, err := b.measure(ctx, a, max(1, min(b.events, deliveries/size)), max(1, min(b.burst, deliveries/size)))
		if err != nil {
			return nil, err
		}
		costs = append(costs, c)
	}
	return costs, nil
}

// idleCrowd is what the largest crowd takes of a gateway that was just started, and lets out no event.
func (b *bench) idleCrowd(ctx context.Context) (cost, error) {
	s, group, who, err := b.startWithGroup(ctx, gatewayName)
	if err != nil {
		return cost{}, err
	}
	defer s.stop()
	a, err := gather(s)
	if err != nil {
		return cost{}, err
	}
	defer a.crowd.Close()
	c := cost{subscribers: min(b.crowds[len(b.crowds)-1], b.mostSubscribers), base: a.base}
	if err := a.join(ctx, group, c.subscribers, who); err != nil {
		return cost{}, err
	}
	time.Sleep(4 * b.pause) // servers give memory back once they are at rest
	if c.idle, err = s.process.Memory(); err != nil {
		return cost{}, err
	}
	b.log("%s, %d idle subscribers: %s, %s before", gatewayName, c.subscribers, mib(c.idle), mib(c.base))
	return c, a.settle(ctx) // they were all there
}

// startWithGroup starts the gateway or a peer, and says who asks it for events.
func (b *bench) startWithGroup(ctx context.Context, name string) (*server, *load.Group, func(int) string, error) {
	if name != gatewayName {
		s, err := b.startPeer(ctx, name)
		if err != nil {
			return nil, nil, nil, err
		}
		return s, peerGroup(s), nobody, nil
	}
	f, err := b.startFleet(ctx, b.gateway, b.devices, b.viewers)
	if err != nil {
		return nil, nil, nil, err
	}
	asked := load.Subscription{Query: events, Variables: positions()}
	return &f.server, &load.Group{Protocol: load.GraphQLTransportWS, Subscription: asked}, anyOf(f.viewers), nil
}
