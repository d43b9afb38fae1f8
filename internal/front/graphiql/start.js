// Starts GraphiQL: queries go over POST, subscriptions over a WebSocket. The headers editor holds the sign-in
// token; over the WebSocket the same headers go into connection_init.
'use strict';

const endpoint = new URL('/graphql', location.href);
const socketEndpoint = new URL(endpoint);
socketEndpoint.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';

const welcome = `# Sign in, and copy the token into the Headers below:
mutation SignIn {
  login(input: { username: "admin@acme.test", password: "demo" }) {
    token
    userErrors { message }
  }
}

query Devices {
  agents(first: 10) {
    totalCount
    nodes { name presence { state since } fleet { name } owner { username } }
  }
}

subscription Watch {
  deviceEvents { at kind serial }
}
`;

// One WebSocket for each set of headers: a token is good for a whole connection.
let socket = { key: '', client: null };

function socketFor(headers) {
  const key = JSON.stringify(headers);
  if (!socket.client || socket.key !== key) {
    socket.client?.dispose();
    const client = graphqlWs.createClient({ url: socketEndpoint.href, connectionParams: headers, retryAttempts: 3 });
    socket = { key, client };
  }
  return socket.client;
}

function isSubscription(params, options) {
  const operations = (options?.documentAST?.definitions ?? []).filter((d) => d.kind === 'OperationDefinition');
  const chosen = operations.find((d) => !params.operationName || d.name?.value === params.operationName);
  return chosen?.operation === 'subscription';
}

async function fetcher(params, options) {
  const headers = options?.headers ?? {};
  if (isSubscription(params, options)) {
    return socketFor(headers).iterate(params);
  }
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: { Accept: 'application/graphql-response+json, application/json', ...headers, 'Content-Type': 'application/json' },
    body: JSON.stringify(params),
  });
  return response.json();
}

ReactDOM.createRoot(document.getElementById('graphiql')).render(
  React.createElement(GraphiQL, {
    fetcher,
    query: new URLSearchParams(location.search).get('query') ?? undefined,
    defaultQuery: welcome,
    defaultHeaders: '{\n  "Authorization": "Bearer "\n}',
    defaultEditorToolsVisibility: 'headers',
    shouldPersistHeaders: false,
  }),
);
