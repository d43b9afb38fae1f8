// How the dashboard speaks to the gateway: GraphQL over HTTP, and graphql-transport-ws for what is live.

/** A failed operation; `code` is the gateway's, such as UNAUTHENTICATED. */
export class GatewayError extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

/** Runs a query or mutation. Fields that could not be read are null in the data; only a failed whole throws. */
export async function run(query, variables = {}, token = null) {
  const headers = { "Content-Type": "application/json", Accept: "application/graphql-response+json, application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  let answer;
  try {
    const response = await fetch("graphql", { method: "POST", headers, body: JSON.stringify({ query, variables }) });
    answer = await response.json();
  } catch {
    throw new GatewayError("The gateway can't be reached.", "UNREACHABLE");
  }
  const failure = answer.errors?.[0];
  if (failure && (!answer.data || failure.extensions?.code === "UNAUTHENTICATED")) {
    throw new GatewayError(failure.message, failure.extensions?.code);
  }
  return answer.data;
}

/**
 * Keeps a subscription open, across lost connections too: it goes on after the last cursor seen. Calls
 * `on.event(data)`, `on.state("live" | "connecting" | "ended")`, `on.resync()` when events were missed, once the
 * stream runs again: what is on the page has to be read anew; and `on.end(error)` when it can't go on. Returns a
 * function that ends it.
 */
export function subscribe(query, token, on) {
  let socket, cursor = null, missed = false, ended = false, delay = 500;

  const end = (error) => {
    if (ended) return;
    ended = true;
    socket?.close(1000);
    on.state("ended");
    if (error) on.end(error);
  };

  const connect = () => {
    on.state("connecting");
    socket = new WebSocket(new URL("graphql", location.href.replace(/^http/, "ws")), "graphql-transport-ws");
    const send = (message) => socket.send(JSON.stringify(message));
    socket.onopen = () => send({ type: "connection_init", payload: { Authorization: `Bearer ${token}` } });
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "connection_ack") {
        delay = 500;
        on.state("live");
        send({ type: "subscribe", id: "1", payload: { query, variables: { after: cursor } } });
        if (missed) on.resync(); // after the subscription, so that nothing falls between the two
        missed = false;
      } else if (message.type === "ping") {
        send({ type: "pong" });
      } else if (message.type === "next" && message.payload.data) {
        cursor = Object.values(message.payload.data)[0].cursor ?? cursor;
        on.event(message.payload.data);
      } else if (message.type === "error" || message.type === "next") {
        const [error] = message.type === "error" ? message.payload : message.payload.errors;
        if (error.extensions?.code === "RESYNC") {
          cursor = null;
          missed = true;
          socket.close(1000);
        } else {
          end(new GatewayError(error.message, error.extensions?.code));
        }
      }
    };
    socket.onclose = ({ code, reason }) => {
      if (ended) return;
      if (code === 4401 || code === 4403) return end(new GatewayError(reason || "The session has ended.", "UNAUTHENTICATED"));
      on.state("connecting");
      setTimeout(() => ended || connect(), delay);
      delay = Math.min(delay * 2, 10_000);
    };
  };

  connect();
  return () => end();
}
