/**
 * The page: signs in, then shows one view at a time with the details of one resource beside it.
 *
 *   #/containers  #/containers/ID  #/hosts  #/hosts/ID  #/processes
 *
 * The address tells what is shown, so that it can be kept, sent and gone back to.
 */

import { apiKey, setApiKey } from "./api.js";
import { containersView } from "./containers.js";
import { detailsPane } from "./details.js";
import { element, keep, replaceChildren, setText } from "./dom.js";
import { Fleet } from "./fleet.js";
import { hostsView } from "./hosts.js";
import { clearNotices, showProblem } from "./notices.js";
import { processesView } from "./processes.js";
import { signInForm } from "./sign-in.js";
import { renewAges } from "./words.js";

const VIEWS = {
  containers: { title: "Containers", build: containersView },
  hosts: { title: "Hosts", build: hostsView },
  processes: { title: "Processes", build: processesView },
};
const CONNECTIONS = { live: "Live", polling: "Every 2 s", away: "Server away" };

const main = document.getElementById("main");
const tabs = document.getElementById("tabs");
const connection = document.getElementById("connection");
const signOutButton = document.getElementById("sign-out");

/** Ends what the last sign-in began. */
let leave = () => {};

function signIn(reason = "") {
  leave();
  setApiKey(null);
  tabs.hidden = true;
  signOutButton.hidden = true;
  setText(connection, "");
  document.querySelector("dialog")?.close();
  const form = signInForm(reason, enter);
  replaceChildren(main, form);
  form.querySelector("input").focus();
}

function enter() {
  clearNotices();
  const fleet = new Fleet();
  const views = Object.fromEntries(
    Object.entries(VIEWS).map(([name, { build }]) => [name, build(fleet)]),
  );
  const details = detailsPane(fleet);
  const frame = element("div", { class: "frame" });
  const listening = new AbortController();
  let place = null;
  let wasAway = false;

  const update = () => {
    showTabs(fleet, place.view);
    showConnection(fleet);
    const isAway = fleet.connection === "away";
    if (isAway && !wasAway && fleet.problem) showProblem(fleet.problem, "The fleet cannot be read");
    if (!isAway && wasAway) clearNotices();
    wasAway = isAway;
    views[place.view].update(place.id);
  };
  const travel = () => {
    const before = place;
    place = placeOf(location.hash);
    if (before?.view !== place.view) {
      document.title = `${VIEWS[place.view].title} · Drover`;
      replaceChildren(frame, views[place.view].root, details.root);
    }
    if (before?.id !== place.id || before?.view !== place.view) details.show(place.view, place.id);
    update();
  };

  leave = () => {
    fleet.stop();
    listening.abort();
    leave = () => {};
  };
  replaceChildren(main, frame);
  tabs.hidden = false;
  signOutButton.hidden = false;
  window.addEventListener("hashchange", travel, { signal: listening.signal });
  travel();
  fleet.subscribe(() => {
    update();
    if (fleet.connection !== "away") details.update();
  });
  fleet.start(() => signIn("The server does not accept the key any more."));
}

/** What an address shows; an unknown one shows the containers. */
function placeOf(hash) {
  const [, view, id = ""] = hash.split("/");
  if (!(view in VIEWS)) return { view: "containers", id: "" };
  return { view, id: view === "processes" ? "" : id };
}

function showTabs(fleet, current) {
  keep(
    tabs,
    Object.keys(VIEWS),
    (name) => name,
    (name) => JSON.stringify([name === current, fleet[name].length]),
    (name) =>
      element(
        "a",
        { href: `#/${name}`, "aria-current": name === current ? "page" : null },
        VIEWS[name].title,
        name !== "processes" && element("span", { class: "count" }, fleet[name].length),
      ),
  );
}

function showConnection(fleet) {
  setText(connection, CONNECTIONS[fleet.connection]);
  connection.dataset.state = fleet.connection;
}

signOutButton.addEventListener("click", () => signIn());
setInterval(renewAges, 5_000);
if (apiKey()) enter();
else signIn();
