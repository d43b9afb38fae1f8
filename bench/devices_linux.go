package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"fleetgate/bench/chart"
)

// devices shows how the gateway grows with the number of devices in GLPI.
func devices(ctx context.Context, b *bench) (section, error) {
	s := section{title: "More devices", text: "Fleetgate in front of a simulated GLPI with more and more devices of two companies. It is ready " +
		"when /readyz says so, which looks once a second; then it reads all devices with its service account, which the simulation's time is a part of. The first page of 50 " +
		"devices is asked by a viewer who has just signed in, and then again and again."}
	t := table{head: []string{"Devices", "Ready after", "All devices read after", "Memory", "First page, first time", "again"}}
	lines := []chart.Line{{Name: "ready, ms"}, {Name: "all devices read, ms"}, {Name: "memory, MiB"}, {Name: "first page, first time, ms"}, {Name: "first page, again, ms"}}
	for _, number := range b.fleets {
		m, err := b.withDevices(ctx, number)
		if err != nil {
			return section{}, err
		}
		b.log("%d devices: %+v", number, m)
		t.add(fmt.Sprint(number), milli(m.ready), milli(m.read), mib(m.memory), milli(m.first), milli(m.again))
		for i, value := range []float64{ms(m.ready), ms(m.read), float64(m.memory) / (1 << 20), ms(m.first), ms(m.again)} {
			lines[i].Points = append(lines[i].Points, chart.Point{X: float64(number), Y: max(value, 0.001)})
		}
	}
	s.tables = []table{t}
	s.pictures = []picture{{"devices", chart.Chart{Title: "Start, memory and a page of the gateway", X: "devices", Y: "ms, or MiB", Lines: lines}}}
	return s, nil
}

// ms is a time in milliseconds.
func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// size is what a number of devices means for the gateway.
type size struct {
	ready, read  time.Duration // since its start
	memory       int64
	first, again time.Duration // a page's
}

func (b *bench) withDevices(ctx context.Context, number int) (size, error) {
	f, err := b.startFleet(ctx, b.gateway, number, 0)
	if err != nil {
		return size{}, err
	}
	defer f.stop()
	m := size{ready: f.started}
	if m.read, err = f.allRead(ctx, b.pause); err != nil {
		return size{}, err
	}
	if m.memory, err = f.process.Memory(); err != nil {
		return size{}, err
	}
	viewer, err := f.login(ctx, oneOfACME)
	if err != nil {
		return size{}, err
	}
	var again []time.Duration
	for i := range 21 {
		began := time.Now()
		var page struct {
			Agents struct{ Nodes []struct{ ID string } }
		}
		if err := f.ask(ctx, viewer, deviceList, &page); err != nil {
			return size{}, err
		}
		if i == 0 {
			m.first = time.Since(began)
			continue
		}
		again = append(again, time.Since(began))
	}
	m.again = median(again)
	return m, nil
}

// allRead waits until the gateway has asked GLPI nothing for a while, which must be shorter than the pause before it
// looks for news, and returns when that began, since its start.
func (f *fleet) allRead(ctx context.Context, quiet time.Duration) (time.Duration, error) {
	asked, since := -1.0, time.Now()
	for time.Since(since) < quiet {
		now, err := f.metric(ctx, "fleetgate_glpi_requests_total")
		if err != nil {
			return 0, err
		}
		if now != asked {
			asked, since = now, time.Now()
		}
		time.Sleep(10 * time.Millisecond)
	}
	return since.Sub(f.began), nil
}

// metric is the sum of one of the gateway's metrics over its labels.
func (f *fleet) metric(ctx context.Context, name string) (sum float64, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url()+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		sample, value, _ := strings.Cut(lines.Text(), " ")
		if family, _, _ := strings.Cut(sample, "{"); family == name {
			number, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return 0, err
			}
			sum += number
		}
	}
	return sum, lines.Err()
}
