package main

import (
	"context"
	"fmt"
	"strings"

	"fleetgate/bench/chart"
	"fleetgate/bench/load"
)

// documents shows what it costs that subscribers ask for different things: none can be executed for another.
func documents(ctx context.Context, b *bench) (section, error) {
	s := section{title: "More documents", text: fmt.Sprintf("%d subscribers at Fleetgate over graphql-transport-ws, shared out over a growing "+
		"number of different documents.", b.subscribers)}
	t := table{head: []string{"Documents", "CPU a delivery", "To all of them", "Memory a subscriber"}}
	line := chart.Line{Name: gatewayName}
	for _, number := range b.documents {
		c, err := b.withDocuments(ctx, min(number, b.subscribers))
		if err != nil {
			return section{}, err
		}
		t.add(fmt.Sprint(number), micro(c.delivery), milli(c.wall), kib(c.each(c.idle)))
		line.Points = append(line.Points, chart.Point{X: float64(number), Y: inMicroseconds(c.delivery)})
	}
	s.tables = []table{t}
	s.pictures = []picture{{"documents-cpu", chart.Chart{Title: "CPU of the gateway for each delivery", X: "different documents", Y: "µs", Lines: []chart.Line{line}}}}
	return s, nil
}

// withDocuments measures a gateway whose subscribers share so many documents.
func (b *bench) withDocuments(ctx context.Context, number int) (cost, error) {
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
	for i := range number {
		query := strings.Replace(events, "serial\n", fmt.Sprintf("serial%d: serial\n", i), 1)
		group := &load.Group{Protocol: load.GraphQLTransportWS, Subscription: load.Subscription{Query: query, Variables: positions()}}
		if err := a.join(ctx, group, b.subscribers/number, anyOf(f.viewers)); err != nil {
			return cost{}, err
		}
	}
	if err := a.settle(ctx); err != nil {
		return cost{}, err
	}
	return b.measure(ctx, a, b.events, b.burst)
}
