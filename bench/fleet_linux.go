package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"fleetgate/bench/process"
	"fleetgate/internal/sim/glpi"
)

// fleet is Fleetgate's built binary, in front of a simulated GLPI and a Mosquitto that are processes of their own: what
// they cost is not counted.
type fleet struct {
	server
	crew     crew
	broker   *broker
	began    time.Time     // the gateway
	started  time.Duration // from then until it was ready
	viewers  []string      // what each sends as its authorization
	stranger string        // the same of somebody of the other company
	stops    []func()      // the last first
}

// buildGateway builds the gateway from the source in a folder, and returns the binary.
func (b *bench) buildGateway(ctx context.Context, source, name string) (string, error) {
	binary := filepath.Join(b.folder, name)
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, ".")
	build.Dir = source
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the gateway: %w: %s", err, output)
	}
	return binary, nil
}

// startFleet starts a GLPI with devices, a broker and a gateway, and signs viewers in.
func (b *bench) startFleet(ctx context.Context, binary string, devices, viewers int, flags ...string) (*fleet, error) {
	f := &fleet{}
	f.name = gatewayName
	f.stop = func() {
		for i := len(f.stops) - 1; i >= 0; i-- {
			f.stops[i]()
		}
	}
	err := f.start(ctx, b, binary, devices, viewers, flags)
	if err == nil {
		err = f.signIn(ctx, viewers)
	}
	if err != nil {
		f.stop()
		return nil, err
	}
	return f, nil
}

func (f *fleet) start(ctx context.Context, b *bench, binary string, devices, viewers int, flags []string) error {
	backend, err := f.startGLPI(ctx, b, devices, viewers)
	if err != nil {
		return err
	}
	if f.broker, err = b.startMosquitto(ctx); err != nil {
		return err
	}
	f.stops = append(f.stops, f.broker.stop)
	f.began = time.Now()
	// The rate is no flag, since earlier gateways would refuse it.
	f.process, err = process.Start(ctx, gatewayName, "env", append([]string{
		"FLEETGATE_DEVICE_RATE=1000000", binary,
		"serve", "--listen", "127.0.0.1:0", "--log-level", "error", "--glpi-url", backend + "/apirest.php",
		"--glpi-service-token", f.crew.ServiceToken, "--mqtt-url", "mqtt://" + f.broker.plain.String(),
	}, flags...)...)
	if err != nil {
		return err
	}
	f.stops = append(f.stops, f.process.Stop)
	url, err := f.process.Await(ctx, "graphql")
	if err != nil {
		return err
	}
	if f.address, err = netip.ParseAddrPort(strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/graphql")); err != nil {
		return err
	}
	f.emit = func(_ context.Context, e event) error { return f.say(f.crew.ACME, e) }
	err = f.ready(ctx)
	f.started = time.Since(f.began)
	return err
}

// startGLPI starts the simulated GLPI and returns its URL.
func (f *fleet) startGLPI(ctx context.Context, b *bench, devices, viewers int) (url string, err error) {
	backend, err := process.Start(ctx, "the simulated GLPI", b.own, "-serve", "glpi", fmt.Sprint(devices), fmt.Sprint(viewers))
	if err != nil {
		return "", err
	}
	f.stops = append(f.stops, backend.Stop)
	told, err := backend.Await(ctx, "crew")
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal([]byte(told), &f.crew); err != nil {
		return "", err
	}
	return backend.Await(ctx, "listening")
}

// say has one of a company's devices say where it is. They take turns.
func (f *fleet) say(company []speaker, e event) error {
	return f.broker.publish(company[e.number%len(company)].Topic+"/Status/Geolocation", e.device())
}

// ready waits until the gateway has GLPI and the broker.
func (f *fleet) ready(ctx context.Context) error {
	for deadline := time.Now().Add(patience); ; {
		response, err := http.Get(f.url() + "/readyz")
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return fmt.Errorf("the gateway does not get ready: %w", err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// signIn signs in each of the viewers, and the stranger; nobody where there are no viewers.
func (f *fleet) signIn(ctx context.Context, viewers int) (err error) {
	if viewers == 0 {
		return nil
	}
	if f.stranger, err = f.login(ctx, stranger); err != nil {
		return err
	}
	f.viewers = make([]string, viewers)
	signing, ctx := errgroup.WithContext(ctx)
	signing.SetLimit(8)
	for i := range f.viewers {
		signing.Go(func() (err error) {
			f.viewers[i], err = f.login(ctx, viewerName(i))
			return err
		})
	}
	return signing.Wait()
}

// login returns what somebody sends as authorization from then on.
func (f *fleet) login(ctx context.Context, name string) (authorization string, err error) {
	var data struct{ Login struct{ Token string } }
	query := fmt.Sprintf(`mutation { login(input: {username: %q, password: %q}) { token } }`, name, glpi.DemoPassword)
	if err := f.ask(ctx, "", query, &data); err != nil {
		return "", fmt.Errorf("signing in %s: %w", name, err)
	}
	return "Bearer " + data.Login.Token, nil
}

// ask posts a GraphQL operation and reads its data.
func (f *fleet) ask(ctx context.Context, authorization, query string, data any) error {
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url()+"/graphql", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", authorization)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer := struct {
		Data   any
		Errors []struct{ Message string }
	}{Data: data}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return fmt.Errorf("%s: %w", response.Status, err)
	}
	if len(answer.Errors) > 0 {
		return fmt.Errorf("the gateway answers: %s", answer.Errors[0].Message)
	}
	return nil
}
