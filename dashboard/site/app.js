import { GatewayError, run, subscribe } from "./gateway.js";

const AGENT = `id name serial presence { state since lastContact source }
  entity { name } fleet { name } owner { displayName } computer { model }`;

const LOGIN = `mutation ($input: LoginInput!) { login(input: $input) { token userErrors { message } } }`;
const LOGOUT = `mutation { logout { ended } }`;
const HOME = `query { viewer { displayName profile { name } activeEntity { completeName } }
  overview { agentCount fleetCount invitationCount pendingInvitationCount userCount } }`;
const DEVICES = `query ($after: String, $filter: AgentFilter) { agents(first: 50, after: $after, filter: $filter) {
  totalCount pageInfo { hasNextPage endCursor } nodes { ${AGENT} } } }`;
const EVENTS = `subscription ($after: String) { deviceEvents(after: $after) { __typename cursor at serial agent { id name }
  ... on PresenceChanged { presence { state since lastContact source } }
  ... on PositionReported { position { latitude longitude } }
  ... on CommandSent { command { name } }
  ... on CommandAnswered { command { name } roundTripMs } } }`;

const MOST_EVENTS = 60;
const $ = (id) => document.getElementById(id);
let token = sessionStorage.getItem("token"), endCursor = null, search = "", stop = () => {};

/** Makes an element; text is set as text, so nothing that GLPI holds can become markup. */
function element(name, text = "", className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

function show(signedIn) {
  $("login").hidden = signedIn;
  for (const id of ["fleet", "logout", "who"]) $(id).hidden = !signedIn;
  if (!signedIn) $("login").username.focus();
}

/** Forgets the viewer and everything that the page showed them: the next one may be of another company. */
function leave(problem = "") {
  stop();
  token = endCursor = null;
  search = $("search").value = "";
  sessionStorage.removeItem("token");
  for (const id of ["devices", "events", "counters", "who", "shown", "socket", "page-problem"]) $(id).replaceChildren();
  $("more").hidden = true;
  $("login").querySelector(".problem").textContent = problem;
  show(false);
}

/** Does something for the viewer of now; what goes wrong is no business of whoever has signed in since. */
async function forViewer(work) {
  const mine = token;
  try {
    await work();
  } catch (error) {
    if (token === mine) complain(error);
  }
}

/** Shows what went wrong; an ended session leads back to the sign-in. */
function complain(error) {
  if (!(error instanceof GatewayError)) throw error;
  if (error.code === "UNAUTHENTICATED") leave(error.message);
  else $("page-problem").textContent = error.message;
}

const clock = (instant) => (instant ? new Date(instant).toLocaleString() : "—");

function stateOf({ state, since }) {
  const shown = element("span", state.toLowerCase(), `state ${state}`);
  shown.title = since ? `since ${clock(since)}` : "";
  return shown;
}

function deviceRow(agent) {
  const row = element("tr");
  row.dataset.agent = agent.id;
  const presence = element("td");
  presence.append(stateOf(agent.presence));
  row.append(presence);
  for (const text of [agent.name, agent.serial, agent.fleet?.name, agent.owner?.displayName, agent.computer?.model,
    agent.entity?.name, clock(agent.presence.lastContact)]) row.append(element("td", text ?? "—"));
  return row;
}

async function devices(more = false) {
  const wanted = search, mine = token;
  const { agents } = await run(DEVICES, { after: more ? endCursor : null, filter: search ? { search } : null }, token);
  if (wanted !== search || mine !== token) return; // another search was typed meanwhile, or somebody else is there
  $("page-problem").textContent = "";
  endCursor = agents.pageInfo.endCursor;
  if (!more) $("devices").replaceChildren();
  $("devices").append(...agents.nodes.map(deviceRow));
  $("more").hidden = !agents.pageInfo.hasNextPage;
  $("shown").textContent = agents.totalCount ? `${$("devices").children.length} of ${agents.totalCount}` : "no device matches";
}

async function home() {
  const mine = token;
  const { viewer, overview } = await run(HOME, {}, mine);
  if (mine !== token) return;
  $("who").textContent = [viewer.displayName, viewer.profile.name, viewer.activeEntity?.completeName].filter(Boolean).join(" · ");
  const counters = { Devices: overview.agentCount, Fleets: overview.fleetCount, People: overview.userCount,
    Invitations: overview.invitationCount, "of them pending": overview.pendingInvitationCount };
  $("counters").replaceChildren(...Object.entries(counters).map(([name, count]) => {
    const item = element("li");
    item.append(element("b", count ?? "—"), element("span", name));
    return item;
  }));
}

function sentence(event) {
  const name = event.command?.name.toLowerCase();
  switch (event.__typename) {
    case "PresenceChanged": return `is ${event.presence.state.toLowerCase()}`;
    case "PositionReported": return event.position
      ? `is at ${event.position.latitude.toFixed(4)}, ${event.position.longitude.toFixed(4)}` : "has its GPS off";
    case "CommandSent": return `was sent: ${name}`;
    case "CommandAnswered": return `answered ${name} in ${event.roundTripMs.toFixed(1)} ms`;
    case "InventoryReceived": return "sent its inventory";
    case "AgentUnenrolled": return "has left";
    default: return event.__typename;
  }
}

function happened({ deviceEvents: event }) {
  const line = element("li");
  line.append(element("time", new Date(event.at).toLocaleTimeString([], { hourCycle: "h23" })), element("b", event.agent?.name ?? event.serial), ` ${sentence(event)}`);
  $("events").prepend(line);
  while ($("events").children.length > MOST_EVENTS) $("events").lastChild.remove();
  const row = event.agent && $("devices").querySelector(`[data-agent="${CSS.escape(event.agent.id)}"]`);
  if (row && event.presence) {
    row.firstChild.replaceChildren(stateOf(event.presence));
    if (event.presence.lastContact) row.lastChild.textContent = clock(event.presence.lastContact); // a last will is no contact
    row.classList.add("fresh");
    setTimeout(() => row.classList.remove("fresh"), 1500);
  }
}

async function enter() {
  show(true);
  $("page-problem").textContent = "";
  stop = subscribe(EVENTS, token, {
    event: happened,
    state: (state) => { $("socket").textContent = { live: "connected", connecting: "connecting…", ended: "not connected" }[state]; },
    resync: () => forViewer(devices),
    end: complain,
  });
  await forViewer(() => Promise.all([home(), devices()]));
}

$("login").addEventListener("submit", async (submitted) => {
  submitted.preventDefault();
  const problem = $("login").querySelector(".problem");
  problem.textContent = "";
  try {
    const { login } = await run(LOGIN, { input: Object.fromEntries(new FormData(submitted.target)) });
    if (!login.token) return void (problem.textContent = login.userErrors[0].message);
    token = login.token;
    sessionStorage.setItem("token", token);
    submitted.target.reset();
    await enter();
  } catch (error) {
    problem.textContent = error.message;
  }
});

$("logout").addEventListener("click", async () => {
  const ending = token;
  leave();
  await run(LOGOUT, {}, ending).catch(() => {}); // the token is forgotten here in any case
});

$("more").addEventListener("click", async () => {
  $("more").disabled = true;
  await forViewer(() => devices(true));
  $("more").disabled = false;
});

let typing;
$("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    search = $("search").value.trim();
    forViewer(devices);
  }, 250);
});

if (token) enter();
else show(false);
