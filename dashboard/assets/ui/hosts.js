/** The view of all hosts: what each is, and how much of it is reserved. */

import { actionButtons } from "./actions.js";
import { element, keep, replaceChildren } from "./dom.js";
import { age, cpus, memory, shortId, state } from "./words.js";

const COLUMNS = ["Name", "State", "Processors", "Memory", "Containers", "System", "Joined", "Actions"];

/** Builds the view; gives its element, and how to bring it up to date. */
export function hostsView(fleet) {
  const rows = element("tbody");
  const table = element(
    "table",
    {},
    element("thead", {}, element("tr", {}, COLUMNS.map((name) => element("th", { scope: "col" }, name)))),
    rows,
  );
  const nothing = element("div", { class: "empty" });
  const root = element(
    "section",
    { "aria-label": "Hosts" },
    element("div", { class: "heading" }, element("h1", {}, "Hosts")),
    element("div", { class: "card" }, table, nothing),
  );

  function update(selected) {
    table.hidden = fleet.hosts.length === 0;
    nothing.hidden = fleet.hosts.length > 0;
    if (!nothing.hidden) replaceChildren(nothing, fleet.isLoaded ? invitation() : "Reading…");
    keep(
      rows,
      fleet.hosts,
      (host) => host.id,
      (host) => JSON.stringify([host, host.id === selected]),
      (host) => row(host, fleet, selected),
    );
  }
  return { root, update };
}

/** How the first host joins. */
function invitation() {
  return [
    element("p", {}, "There are no hosts yet. This prints the line that lets one join:"),
    element("code", { class: "mono" }, "drover token create"),
  ];
}

function row(host, fleet, selected) {
  const { facts = {}, capacity = {}, reserved = {} } = host;
  const label = (name) => ({ data: { label: name } });
  const runtime = [facts.runtime, facts.runtimeVersion].filter(Boolean).join(" ");
  return element(
    "tr",
    { "aria-selected": host.id === selected ? "true" : null },
    element(
      "th",
      { scope: "row", class: "long" },
      element("a", { href: `#/hosts/${host.id}` }, host.name || shortId(host.id)),
    ),
    element(
      "td",
      label("State"),
      element("div", {}, state(host.state), host.error && element("span", { class: "bad" }, host.error)),
    ),
    element(
      "td",
      label("Processors"),
      share("Processors", reserved.cpuMillis, capacity.cpuMillis, cpus),
    ),
    element("td", label("Memory"), share("Memory", reserved.memoryMiB, capacity.memoryMiB, memory)),
    element("td", label("Containers"), String(reserved.containers ?? "–")),
    element(
      "td",
      label("System"),
      element("div", {}, runtime, element("span", { class: "faint" }, facts.operatingSystem)),
    ),
    element("td", { ...label("Joined"), class: "short" }, age(host.created)),
    element("td", {}, actionButtons(host, fleet)),
  );
}

/** How much of an amount is reserved, as a bar and in words. */
function share(name, reserved = 0, capacity = 0, words = String) {
  const text = `${words(reserved)} of ${words(capacity)} reserved`;
  const bar = element("meter", {
    min: 0,
    max: Math.max(capacity, 1),
    high: capacity * 0.9,
    value: reserved,
    "aria-label": `${name}: ${text}`,
  });
  return element("div", {}, bar, element("span", { class: "faint" }, text));
}
