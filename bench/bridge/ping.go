package main

import (
	"context"
	"fmt"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"fleetgate/glpiproxy"
)

// pings measures the gateway's pingAgent beside GLPI's own ping, of the same phone, which answers over MQTT at once.
func pings(ctx context.Context, w *world, _ options) error {
	if err := w.startGateway(ctx, "--glpi-service-token", w.demo.ServiceToken); err != nil {
		return err
	}
	token, err := w.signIn(ctx)
	if err != nil {
		return err
	}
	devices, err := w.devices(ctx, token, 1)
	if err != nil {
		return err
	}
	if err := w.answerPings(devices[0]); err != nil {
		return err
	}
	var whole, trips spread
	for range 200 {
		var data struct {
			PingAgent struct {
				Answered    bool
				RoundTripMs float64
			}
		}
		began := time.Now()
		err := w.ask(ctx, token, `mutation ($id: ID!) { pingAgent(input: {agentId: $id}) { answered roundTripMs } }`, map[string]any{"id": devices[0].id}, &data)
		if err != nil || !data.PingAgent.Answered {
			return fmt.Errorf("the phone did not answer: %w", err)
		}
		whole = append(whole, time.Since(began))
		trips = append(trips, time.Duration(data.PingAgent.RoundTripMs*float64(time.Millisecond)))
	}
	fmt.Printf("pingAgent: the whole call %s\n  its round trip %s\n", whole, trips)
	return w.pingThroughGLPI(ctx, devices[0], whole)
}

// answerPings makes a phone that answers pings.
func (w *world) answerPings(d device) error {
	phone, err := w.connect(d.serial, nil)
	if err != nil {
		return err
	}
	listening := phone.Subscribe(d.topic+"/Command/Ping", 0, func(c mqtt.Client, _ mqtt.Message) { c.Publish(d.topic+"/Status/Ping", 1, false, "!") })
	if !listening.WaitTimeout(patience) {
		return fmt.Errorf("the phone does not listen")
	}
	return listening.Error()
}

// pingThroughGLPI asks GLPI itself to ping the phone, three times.
func (w *world) pingThroughGLPI(ctx context.Context, d device, ours spread) error {
	client, err := glpiproxy.New(glpiproxy.Options{URL: w.glpiURL})
	if err != nil {
		return err
	}
	defer client.Close()
	session, err := client.SignIn(ctx, "admin@acme.test", "demo")
	if err != nil {
		return err
	}
	var took spread
	answered := 0
	for range 3 {
		began := time.Now()
		answer, err := glpiproxy.Ping(ctx, session, w.agentID(d))
		if err != nil {
			return err
		}
		took = append(took, time.Since(began))
		if answer.Answered {
			answered++
		}
	}
	fmt.Printf("  GLPI's own ping, one worker busy for the time: %s; answered: %d\n", took, answered)
	fmt.Printf("  ratio of medians %.0f\n", float64(took.at(0.5))/float64(ours.at(0.5)))
	return nil
}

// agentID is GLPI's id of a device's agent.
func (w *world) agentID(wanted device) int {
	for _, d := range w.demo.Devices {
		if d.Serial == wanted.serial {
			return d.AgentID
		}
	}
	return 0
}
