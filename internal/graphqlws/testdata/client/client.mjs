// Drives the WebSocket transport with the clients that dashboards use: node client.mjs ws://host/path
// Prints one line of JSON for each scenario; the Go test compares them.
import WebSocket from 'ws';
import { createClient } from 'graphql-ws';
import { SubscriptionClient } from 'subscriptions-transport-ws';

const url = process.argv[2];
const report = (scenario, result) => console.log(JSON.stringify({ scenario, result }));

function open(options = {}) {
  return createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0, lazy: true, ...options });
}

// results collects what an operation gives, and its error's messages if it ends with one.
async function results(client, query, most = 10) {
  const got = [];
  try {
    for await (const result of client.iterate({ query })) {
      got.push(result);
      if (got.length === most) break;
    }
  } catch (error) {
    got.push({ failed: Array.isArray(error) ? error.map((e) => e.message) : { code: error.code, reason: error.reason } });
  }
  return got;
}

async function modern() {
  const client = open();
  report('query', await results(client, '{hello}'));
  report('mutation', await results(client, 'mutation{set(value:3)}'));
  report('subscription', await results(client, 'subscription{count(to:3)}'));
  report('unsubscribed', await results(client, 'subscription{forever}', 1));
  report('invalid', await results(client, '{hallo}'));
  report('breaks', await results(client, 'subscription{breaks}'));
  const together = ['{hello}', 'subscription{count(to:2)}', 'mutation{set(value:4)}'];
  report('at once', await Promise.all(together.map((query) => results(client, query))));
  await client.dispose();

  const refused = open({ connectionParams: { token: 'expired' } });
  report('refused', await results(refused, '{hello}'));
  await refused.dispose();

  const pinging = open({ keepAlive: 20, lazy: false });
  const pong = new Promise((resolve) => pinging.on('pong', (received) => resolve(received)));
  report('pong', await pong);
  await pinging.dispose();
}

async function legacy() {
  const client = new SubscriptionClient(url, { reconnect: false }, WebSocket);
  const run = (query) => new Promise((resolve) => {
    const got = [];
    client.request({ query }).subscribe({
      next: (result) => got.push(result),
      error: (error) => resolve([...got, { failed: error.message }]),
      complete: () => resolve(got),
    });
  });
  report('older: query', await run('{hello}'));
  report('older: subscription', await run('subscription{count(to:2)}'));
  report('older: invalid', await run('{hallo}'));
  client.close();

  let refused;
  report('older: refused', await new Promise((resolve) => {
    const connectionCallback = (error) => resolve(error);
    const options = { reconnect: false, connectionParams: { token: 'expired' }, connectionCallback };
    refused = new SubscriptionClient(url, options, WebSocket);
  }));
  refused.close();
}

await modern();
await legacy();
