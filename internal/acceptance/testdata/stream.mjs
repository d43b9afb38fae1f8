// What the dashboard's stream does when events were missed, on sockets that are not real.
const { subscribe } = await import("/gateway.js");

const seen = { steps: [] };
const sockets = [];
window.WebSocket = class {
  constructor() { sockets.push(this); setTimeout(() => this.onopen()); }
  send(text) {
    const message = JSON.parse(text);
    seen.steps.push(message.type === "subscribe" ? `subscribe after ${message.payload.variables.after}` : message.type);
    if (message.type === "connection_init") setTimeout(() => this.says({ type: "connection_ack" }));
    if (message.type === "subscribe") setTimeout(() => this.goesOn());
  }
  says(message) { this.onmessage({ data: JSON.stringify(message) }); }
  close(code) { setTimeout(() => this.onclose({ code, reason: "" })); }
  goesOn() {
    switch (sockets.length) {
      case 1: // an event, then the connection is lost
        this.says({ type: "next", payload: { data: { deviceEvents: { cursor: "c1" } } } });
        this.onclose({ code: 1006, reason: "" });
        break;
      case 2:
        this.says({ type: "error", payload: [{ message: "events were missed", extensions: { code: "RESYNC" } }] });
        break;
      default:
        this.onclose({ code: 4403, reason: "the sign-in has expired" });
    }
  }
};
await new Promise((done) => subscribe("subscription", "token", {
  event: () => seen.steps.push("event"),
  state: (state) => seen.steps.push(state),
  resync: () => seen.steps.push("resync"),
  end: (error) => { seen.steps.push(`${error.code}: ${error.message}`); done(); },
}));
await fetch("seen", { method: "POST", body: JSON.stringify(seen) });
