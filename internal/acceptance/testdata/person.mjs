// What a person does with the dashboard, in a browser; what came of it goes to /seen.
const $ = (selector) => document.querySelector(selector);

async function until(what, holds) {
  for (const end = Date.now() + 15_000; !holds(); await new Promise((go) => setTimeout(go, 20))) {
    if (Date.now() > end) throw new Error(`never: ${what}; the page says ${document.body.innerText.slice(0, 500)}`);
  }
}

async function signIn(password) {
  $("[name=username]").value = "admin@acme.test";
  $("[name=password]").value = password;
  $("#login").requestSubmit();
}

const seen = {};
try {
  await until("the sign-in is shown", () => !$("#login").hidden);
  await signIn("wrong");
  await until("a wrong password is refused", () => $("#login .problem").textContent !== "");
  seen.refused = $("#login .problem").textContent;
  await signIn("demo");
  await until("devices are shown", () => $("#devices").children.length > 0);
  await until("counters are shown", () => $("#counters").children.length > 0);
  await until("the socket is open", () => $("#socket").textContent === "connected");
  seen.shown = $("#shown").textContent;
  seen.who = $("#who").textContent;
  await until("something happens", () => $("#events").children.length > 2);
  $("#more").click();
  $("#more").click();
  await until("the next page is shown", () => $("#devices").children.length > 50 && !$("#more").disabled);
  const ids = [...$("#devices").children].map((row) => row.dataset.agent);
  seen.twice = ids.length - new Set(ids).size;
  $("#search").value = "no such device";
  $("#search").dispatchEvent(new Event("input"));
  await until("nothing is found", () => $("#devices").children.length === 0);
  seen.found = $("#shown").textContent;
  $("#logout").click();
  await until("the sign-in is shown again", () => !$("#login").hidden && $("#fleet").hidden);
  seen.token = sessionStorage.getItem("token");
} catch (error) {
  seen.problem = String(error);
}
await fetch("seen", { method: "POST", body: JSON.stringify(seen) });
