// What a dashboard does with graphql-sse's client, against a running gateway: signs in, asks, makes a mistake, listens,
// listens on after a cursor, and is turned away when it has signed out. Prints what it has seen as JSON.
import { createClient } from "graphql-sse";

const [url, username, password] = process.argv.slice(2);
let token = "";
const client = createClient({
  url,
  headers: () => (token ? { Authorization: `Bearer ${token}` } : {}),
  retryAttempts: 0,
});

// take collects an operation's results until there are enough of them, or it ends.
async function take(query, variables, most = 1) {
  const results = [];
  for await (const result of client.iterate({ query, variables })) {
    results.push(result);
    if (results.length === most) break;
  }
  return results;
}

const seen = {};
const LOGIN = "mutation ($input: LoginInput!) { login(input: $input) { token } }";
token = (await take(LOGIN, { input: { username, password } }))[0].data.login.token;
seen.query = (await take("{ agents(first: 3) { nodes { id } totalCount } }", {}, 10)).map(({ data }) => data.agents.nodes.length);
seen.mistake = (await take("{ agnts }", {}, 10)).map(({ errors }) => errors[0].extensions.code);

const EVENTS = "subscription ($after: String) { deviceEvents(after: $after) { cursor } }";
const events = (await take(EVENTS, {}, 20)).map(({ data }) => data.deviceEvents.cursor);
seen.again = (await take(EVENTS, { after: events[0] }, 19)).every(({ data }, i) => data.deviceEvents.cursor === events[i + 1]);
seen.events = new Set(events).size;

const untilTheEnd = take(EVENTS, {}, Infinity);
await take("mutation { logout { userErrors { code } } }", {});
seen.ended = (await untilTheEnd).at(-1).errors?.[0]?.extensions?.code;
client.dispose();
console.log(JSON.stringify(seen));
