/** The view of all containers. */

import { actionButtons } from "./actions.js";
import { element, keep, replaceChildren, setText } from "./dom.js";
import { openRunForm } from "./run.js";
import { about, age, ports, shortId, state } from "./words.js";

const COLUMNS = ["Name", "State", "Image", "Host", "Ports", "Created", "Actions"];

/** Builds the view; gives its element, and how to bring it up to date. */
export function containersView(fleet) {
  const summary = element("p", { class: "faint", role: "status" });
  const rows = element("tbody");
  const table = element(
    "table",
    {},
    element("thead", {}, element("tr", {}, COLUMNS.map(columnHeading))),
    rows,
  );
  const nothing = element("div", { class: "empty" });
  const run = () => openRunForm(fleet);
  const root = element(
    "section",
    { "aria-label": "Containers" },
    element(
      "div",
      { class: "heading" },
      element("div", {}, element("h1", {}, "Containers"), summary),
      element("button", { type: "button", class: "primary", on: { click: run } }, "Run a container"),
    ),
    element("div", { class: "card" }, table, nothing),
  );

  function update(selected) {
    const { containers } = fleet;
    setText(summary, summaryOf(fleet));
    table.hidden = containers.length === 0;
    nothing.hidden = containers.length > 0;
    if (!nothing.hidden) replaceChildren(nothing, emptyText(fleet));
    keep(
      rows,
      containers,
      (container) => container.id,
      (container) => signature(container, fleet, selected),
      (container) => row(container, fleet, selected),
    );
  }
  return { root, update };
}

function columnHeading(name) {
  const isSecondary = ["Host", "Created"].includes(name);
  return element("th", { scope: "col", class: isSecondary ? "secondary" : null }, name);
}

function emptyText(fleet) {
  if (!fleet.isLoaded) return "Reading…";
  return fleet.hosts.length > 0
    ? "There are no containers yet. Run one, and it appears here."
    : "There are no containers and no hosts yet. A host joins when its agent starts with a registration token.";
}

function summaryOf(fleet) {
  const counts = new Map();
  for (const { state: name } of fleet.containers) counts.set(name, (counts.get(name) ?? 0) + 1);
  const parts = [...counts].sort().map(([name, count]) => `${count} ${name}`);
  if (!fleet.isWhole) parts.push("more are not shown");
  return parts.join(" · ");
}

function signature(container, fleet, selected) {
  const process = fleet.activeProcess(container.id);
  return JSON.stringify([
    container.version,
    container.state,
    container.actions,
    container.transitioningMessage,
    fleet.hostName(container.hostId),
    process && about(process, fleet),
    container.id === selected,
  ]);
}

function row(container, fleet, selected) {
  const process = fleet.activeProcess(container.id);
  const label = (name) => ({ data: { label: name } });
  return element(
    "tr",
    { "aria-selected": container.id === selected ? "true" : null },
    element(
      "th",
      { scope: "row", class: "long" },
      element("a", { href: `#/containers/${container.id}` }, container.name || shortId(container.id)),
    ),
    element("td", { ...label("State"), class: "long" }, element("div", {}, state(container.state), below(container, process, fleet))),
    element("td", { ...label("Image"), class: "long" }, element("span", { class: "mono" }, container.image)),
    element("td", { ...label("Host"), class: "secondary" }, fleet.hostName(container.hostId) || "–"),
    element("td", label("Ports"), element("div", { class: "mono" }, portsOrDash(container))),
    element("td", { ...label("Created"), class: "short secondary" }, age(container.created)),
    element("td", {}, actionButtons(container, fleet)),
  );
}

function portsOrDash(container) {
  return container.boundPorts?.length ? ports(container) : "–";
}

/** What stands below the state: the process on its way, the reason of an error, an exit code. */
function below(container, process, fleet) {
  if (process) {
    const text = [process.name, about(process, fleet)].filter(Boolean).join(": ");
    return element("span", { class: "faint" }, text);
  }
  if (container.state === "error" || container.transitioning === "error") {
    const reason = container.error || container.transitioningMessage;
    return reason && element("span", { class: "bad" }, reason);
  }
  const hasExited = container.state === "stopped" && Number.isInteger(container.exitCode);
  return hasExited && element("span", { class: "faint" }, `exit code ${container.exitCode}`);
}
