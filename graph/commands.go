package graph

import (
	"context"
	"errors"
	"strconv"
	"time"

	"fleetgate/bridge"
	"fleetgate/glpiproxy"
	"fleetgate/graph/model"
)

const (
	shortestWait = 100 * time.Millisecond
	longestWait  = time.Minute
	pingWait     = 10 * time.Second
	otherWait    = 30 * time.Second
	// firstLook is when GLPI is asked first whether the device has answered there: those who answer over MQTT have
	// done so by then.
	firstLook = 300 * time.Millisecond
	// slowestLook is the longest pause between two looks.
	slowestLook = time.Second
	// askAgain is when a device that is silent is asked once more: GLPI counts whole seconds, so that an answer in
	// the second of the one before leaves no trace there.
	askAgain = 1200 * time.Millisecond
)

// outcome is what came of a question to a device.
type outcome struct {
	answered  bool
	at        time.Time
	roundTrip time.Duration
	road      model.CommandRoad
	position  *model.Position
	presence  *model.Presence
}

// millis is the round trip as the API says it; nil without an answer.
func (o outcome) millis() *float64 {
	if !o.answered {
		return nil
	}
	ms := float64(o.roundTrip.Microseconds()) / 1000
	return &ms
}

func (o outcome) answeredBy() *model.CommandRoad {
	if !o.answered {
		return nil
	}
	return &o.road
}

// askAgent asks a device and waits for its answer. A userError says why it was not asked.
func (r *Resolver) askAgent(ctx context.Context, globalID string, timeoutMs *int, standard time.Duration, question bridge.Question) (outcome, *model.UserError, error) {
	patience, wrong := patienceOf(timeoutMs, standard)
	if wrong != nil {
		return outcome{}, wrong, nil
	}
	agentID, wrong := inputID("Agent", globalID, "input", "agentId")
	if wrong != nil {
		return outcome{}, wrong, nil
	}
	i, err := r.newInquiry(ctx, agentID, question)
	if err != nil {
		wrong, err := refusal(err, "input", "agentId")
		return outcome{}, wrong, err
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	found, err := i.ask(waiting)
	switch {
	case ctx.Err() != nil:
		return outcome{}, nil, ctx.Err()
	case waiting.Err() != nil && !found.answered: // silence is an answer too
	case err != nil:
		wrong, err := refusal(err, "input", "agentId")
		return outcome{}, wrong, err
	}
	r.GLPI.Invalidate("PluginFlyvemdmAgent:" + strconv.Itoa(agentID))
	found.presence = i.presence(ctx)
	return found, nil, nil
}

func patienceOf(timeoutMs *int, standard time.Duration) (time.Duration, *model.UserError) {
	if timeoutMs == nil {
		return standard, nil
	}
	patience := time.Duration(*timeoutMs) * time.Millisecond
	if patience < shortestWait || patience > longestWait {
		return 0, badAt("It is between 100 and 60,000 milliseconds.", "input", "timeoutMs")
	}
	return patience, nil
}

// inquiry is a question to one device.
type inquiry struct {
	resolver *Resolver
	session  *glpiproxy.Session
	question bridge.Question
	agent    glpiproxy.Agent
	serial   string // "" where the viewer may not read it
}

// newInquiry looks whether the viewer may ask the device at all: what GLPI asks for is the right to change agents.
func (r *Resolver) newInquiry(ctx context.Context, agentID int, question bridge.Question) (*inquiry, error) {
	s, err := readable[glpiproxy.Agent](ctx)
	if err != nil {
		return nil, err
	}
	agent, err := glpiproxy.Get[glpiproxy.Agent](ctx, s, agentID)
	if err != nil {
		return nil, hidden(err)
	}
	if _, err := allowed[glpiproxy.Agent](ctx, glpiproxy.Update); err != nil {
		return nil, err
	}
	serial, err := serialOf(ctx, &model.Agent{Agent: agent})
	if err != nil && !isUnreadable(err) {
		return nil, err
	}
	return &inquiry{resolver: r, session: s, question: question, agent: agent, serial: serial}, nil
}

func (i *inquiry) key() bridge.DeviceKey {
	return bridge.DeviceKey{EntityID: i.agent.EntityID, Serial: i.serial}
}

// ask takes the fast road where there is one: over the broker, with an eye on GLPI for the agents that answer there.
func (i *inquiry) ask(ctx context.Context) (outcome, error) {
	if i.serial == "" || i.agent.NotificationType == "fcm" {
		return i.askThroughGLPI(ctx)
	}
	before, err := i.look(ctx)
	if err != nil {
		return outcome{}, err
	}
	asked := time.Now()
	found, err := race(ctx, i.askOverMQTT, func(ctx context.Context) (outcome, error) { return i.watchGLPI(ctx, before, asked) })
	if errors.Is(err, bridge.ErrNotSent) {
		return race(ctx, i.overhear, i.askThroughGLPI)
	}
	return found, err
}

// race gives what the first of several comes back with. All have ended when it returns.
func race(ctx context.Context, runners ...func(context.Context) (outcome, error)) (outcome, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		outcome
		err error
	}
	results := make(chan result, len(runners))
	for _, run := range runners {
		go func() { o, err := run(ctx); results <- result{o, err} }()
	}
	first := <-results
	cancel()
	for range len(runners) - 1 {
		<-results
	}
	return first.outcome, first.err
}

func (i *inquiry) askOverMQTT(ctx context.Context) (outcome, error) {
	return heard(i.resolver.Bridge.Ask(ctx, i.key(), i.question))
}

// overhear waits for what the device answers over MQTT to GLPI's question, of which GLPI itself hears nothing.
func (i *inquiry) overhear(ctx context.Context) (outcome, error) {
	return heard(i.resolver.Bridge.Overhear(ctx, i.key(), i.question))
}

func heard(answer bridge.Answer, err error) (outcome, error) {
	if err != nil {
		return outcome{}, err
	}
	return outcome{
		answered: true, at: answer.At, roundTrip: answer.RoundTrip, road: model.CommandRoadMqtt,
		position: presentPosition(answer.Position),
	}, nil
}

// trace is what GLPI has of a device's latest answer to a question: the contact, the inventory or the position.
type trace struct {
	at       time.Time
	position glpiproxy.Geolocation
}

// look reads what GLPI has now: one row, which is cheap there.
func (i *inquiry) look(ctx context.Context) (trace, error) {
	switch i.question {
	case bridge.AskPosition:
		latest, err := glpiproxy.Children[glpiproxy.Computer, glpiproxy.Geolocation](ctx, i.session, i.agent.ComputerID,
			glpiproxy.ListOptions{Sort: "id", Descending: true, Range: glpiproxy.Range{Count: 1}, Fresh: true})
		if err != nil || len(latest.Items) == 0 {
			return trace{}, err
		}
		return trace{position: latest.Items[0]}, nil
	case bridge.AskInventory:
		computer, err := row[glpiproxy.Computer](ctx, i.session, i.agent.ComputerID)
		return trace{at: computer.ModifiedAt}, err
	default:
		agent, err := row[glpiproxy.Agent](ctx, i.session, i.agent.ID)
		return trace{at: agent.LastContact}, err
	}
}

// row reads one row afresh through a list, which is cheaper for GLPI than the item with all that belongs to it.
func row[T glpiproxy.Item](ctx context.Context, s *glpiproxy.Session, id int) (item T, err error) {
	found, err := glpiproxy.List[T](ctx, s, glpiproxy.ListOptions{
		Filter: map[string]string{"id": strconv.Itoa(id)}, Range: glpiproxy.Range{Count: 1}, Fresh: true,
	})
	if err == nil && len(found.Items) > 0 {
		item = found.Items[0]
	}
	return item, err
}

// watchGLPI looks again and again for the answer of a device that answers there.
func (i *inquiry) watchGLPI(ctx context.Context, before trace, asked time.Time) (outcome, error) {
	pause, again := firstLook, false
	for {
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return outcome{}, ctx.Err()
		case <-timer.C:
		}
		now, err := i.look(ctx)
		if err == nil && now != before {
			return outcome{
				answered: true, at: i.resolver.Now(), roundTrip: time.Since(asked), road: model.CommandRoadGlpi,
				position: presentStored(now.position),
			}, nil
		}
		if i.question == bridge.AskPing && !again && time.Since(asked) > askAgain {
			again = true
			_ = i.resolver.Bridge.AskAgain(ctx, i.key(), i.question) // the first one stands
		}
		pause = min(pause+pause/2, slowestLook)
	}
}

func presentStored(p glpiproxy.Geolocation) *model.Position {
	if !p.Available {
		return nil
	}
	return storedPosition(p)
}

// askThroughGLPI has GLPI ask, which keeps one of its workers for up to ten seconds.
func (i *inquiry) askThroughGLPI(ctx context.Context) (outcome, error) {
	ask := map[bridge.Question]func(context.Context, *glpiproxy.Session, int) (glpiproxy.Answer, error){
		bridge.AskPing: glpiproxy.Ping, bridge.AskPosition: glpiproxy.Locate, bridge.AskInventory: glpiproxy.RequestInventory,
	}[i.question]
	asked := time.Now()
	answer, err := ask(ctx, i.session, i.agent.ID)
	if err != nil || !answer.Answered {
		return outcome{}, err
	}
	found := outcome{answered: true, at: i.resolver.Now(), roundTrip: time.Since(asked), road: model.CommandRoadGlpi}
	if i.question == bridge.AskPosition {
		latest, err := i.look(ctx)
		if err != nil {
			return outcome{}, err
		}
		found.position = presentStored(latest.position)
	}
	return found, nil
}

// presence is what is known now; nil where GLPI can't be asked any more.
func (i *inquiry) presence(ctx context.Context) *model.Presence {
	agent, err := glpiproxy.Get[glpiproxy.Agent](ctx, i.session, i.agent.ID)
	if err != nil {
		agent = i.agent
	}
	return presentPresence(i.resolver.weigh(ctx, agent, i.serial))
}

func (r *Resolver) pingAgent(ctx context.Context, input model.PingAgentInput) (*model.PingAgentPayload, error) {
	o, wrong, err := r.askAgent(ctx, input.AgentID, input.TimeoutMs, pingWait, bridge.AskPing)
	if err != nil {
		return nil, err
	}
	return &model.PingAgentPayload{
		Answered: o.answered, RoundTripMs: o.millis(), AnsweredBy: o.answeredBy(), Presence: o.presence, UserErrors: mistakes(wrong),
	}, nil
}

func (r *Resolver) locateAgent(ctx context.Context, input model.LocateAgentInput) (*model.LocateAgentPayload, error) {
	o, wrong, err := r.askAgent(ctx, input.AgentID, input.TimeoutMs, otherWait, bridge.AskPosition)
	if err != nil {
		return nil, err
	}
	return &model.LocateAgentPayload{
		Answered: o.answered, RoundTripMs: o.millis(), AnsweredBy: o.answeredBy(), Position: o.position, Presence: o.presence,
		UserErrors: mistakes(wrong),
	}, nil
}

func (r *Resolver) requestInventory(ctx context.Context, input model.RequestInventoryInput) (*model.RequestInventoryPayload, error) {
	o, wrong, err := r.askAgent(ctx, input.AgentID, input.TimeoutMs, otherWait, bridge.AskInventory)
	if err != nil {
		return nil, err
	}
	return &model.RequestInventoryPayload{
		Answered: o.answered, RoundTripMs: o.millis(), AnsweredBy: o.answeredBy(), ReceivedAt: model.Moment(o.at), Presence: o.presence,
		UserErrors: mistakes(wrong),
	}, nil
}
