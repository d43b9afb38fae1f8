// What a dashboard does with Apollo Client, against a running gateway: signs in, walks through a paginated list, uploads
// a file, makes a mistake, and listens. Prints what it has seen as JSON.
import { ApolloClient, ApolloLink, InMemoryCache, gql } from "@apollo/client/core";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { relayStylePagination } from "@apollo/client/utilities";
import UploadHttpLink from "apollo-upload-client/UploadHttpLink.mjs";
import { OperationTypeNode } from "graphql";
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const [url, username, password] = process.argv.slice(2);
let token = "";
const authorization = () => (token ? { Authorization: `Bearer ${token}` } : {});
const socket = createClient({ url: url.replace(/^http/, "ws"), webSocketImpl: WebSocket, connectionParams: authorization, retryAttempts: 0 });
const authorized = new ApolloLink((operation, forward) => {
  operation.setContext({ headers: { ...authorization(), "Apollo-Require-Preflight": "true" } });
  return forward(operation);
});
const client = new ApolloClient({
  cache: new InMemoryCache({ typePolicies: { Query: { fields: { agents: relayStylePagination(["filter"]) } } } }),
  link: ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
    new GraphQLWsLink(socket),
    authorized.concat(new UploadHttpLink({ uri: url })),
  ),
});

const seen = {};
const login = await client.mutate({
  mutation: gql`mutation ($input: LoginInput!) { login(input: $input) { token userErrors { code } } }`,
  variables: { input: { username, password } },
});
token = login.data.login.token;

const DEVICES = gql`query ($after: String) {
  agents(first: 7, after: $after, filter: { enrollStatus: ENROLLED }) {
    totalCount edges { cursor node { id name } } pageInfo { hasNextPage endCursor }
  }
}`;
const devices = client.watchQuery({ query: DEVICES });
let agents = (await devices.result?.() ?? await client.query({ query: DEVICES })).data.agents;
const subscription = devices.subscribe({ next: ({ data }) => { if (data?.agents) agents = data.agents; } });
for (let pages = 1; agents.pageInfo.hasNextPage && pages < 50; pages++) {
  await devices.fetchMore({ variables: { after: agents.pageInfo.endCursor } });
  agents = client.readQuery({ query: DEVICES }).agents;
}
subscription.unsubscribe();
seen.listed = new Set(agents.edges.map(({ node }) => node.id)).size;
seen.total = agents.totalCount;

const upload = await client.mutate({
  mutation: gql`mutation ($input: UploadFileInput!) { uploadFile(input: $input) { file { id name size } userErrors { code field message } } }`,
  variables: { input: { file: new File(["x".repeat(40000)], "manual.pdf", { type: "application/pdf" }), comment: "from Apollo" } },
});
seen.upload = upload.data.uploadFile;

const mistake = await client.mutate({
  mutation: gql`mutation ($input: CreateFleetInput!) { createFleet(input: $input) { fleet { id } userErrors { code field } } }`,
  variables: { input: { name: "" } },
});
seen.mistake = mistake.data.createFleet;

seen.event = await new Promise((resolve, reject) => {
  const listening = client.subscribe({ query: gql`subscription { deviceEvents { cursor kind serial } }` }).subscribe({
    next: ({ data, error }) => { listening.unsubscribe(); error ? reject(error) : resolve(data.deviceEvents); },
    error: reject,
  });
});

token = "not a token";
try {
  await client.query({ query: gql`{ viewer { user { id } } }`, fetchPolicy: "network-only" });
} catch (error) {
  seen.refused = error.errors?.[0]?.extensions?.code ?? String(error);
}
await socket.dispose();
client.stop();
console.log(JSON.stringify(seen));
process.exit(0);
