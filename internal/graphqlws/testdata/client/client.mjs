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

  const ending = open({ connectionParams: { token: 'ending' } });
  report('ended', await results(ending, 'subscription{forever}'));
  await ending.dispose();

  // 1012 is no end: the client connects again by itself and goes on.
  const restarting = open({ connectionParams: { token: 'restarting' }, retryAttempts: 3, retryWait: async () => {} });
  report('restarted', await results(restarting, 'subscription{forever}', 2));
  await restarting.dispose();

  const pinging = open({ keepAlive: 20, lazy: false });
  const pong = new Promise((resolve) => pinging.on('pong', (received) => resolve(received)));
  report('pong', await pong);
  await pinging.dispose();
}

// closed says messages to a fresh socket, each after an answer to the one before where one is due, and tells how it ends.
function closed(protocol, ...messages) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, protocol);
    socket.on('open', () => messages.forEach((message) => socket.send(JSON.stringify(message))));
    socket.on('error', reject);
    socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
  });
}

async function codes() {
  const init = { type: 'connection_init' };
  for (const [protocol, start] of [['graphql-transport-ws', 'subscribe'], ['graphql-ws', 'start']]) {
    const operation = { type: start, id: 'a', payload: { query: 'subscription{forever}' } };
    const about = (name) => `${protocol}: ${name}`;
    report(about('nonsense'), await closed(protocol, init, { type: 'dance' }));
    report(about('too early'), await closed(protocol, operation));
    report(about('refused'), await closed(protocol, { ...init, payload: { token: 'expired' } }));
    report(about('silent'), await closed(protocol));
    report(about('same id'), await closed(protocol, init, operation, operation));
    report(about('twice'), await closed(protocol, init, init));
  }
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
  report('older: at once', await Promise.all(['{hello}', 'subscription{count(to:2)}', 'mutation{set(value:4)}'].map(run)));
  report('older: unsubscribed', await new Promise((resolve) => {
    const running = client.request({ query: 'subscription{forever}' }).subscribe({
      next: async (result) => {
        running.unsubscribe();
        resolve([result, ...await run('{hello}')]);
      },
    });
  }));
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
await codes();
await legacy();
