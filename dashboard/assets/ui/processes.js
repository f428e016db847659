/** The view of recent processes: what was asked, and how far each came. */

import { element, keep, replaceChildren } from "./dom.js";
import { about, age, shortId, state, took } from "./words.js";

const COLUMNS = ["Process", "Phase", "Of", "What happens", "Asked", "Took"];
const COLLECTIONS = { container: "containers", host: "hosts" };
const CHOICES = {
  all: ["All", () => true],
  open: ["Unfinished", (process) => !["done", "failed", "canceled"].includes(process.phase)],
  failed: ["Failed", (process) => process.phase === "failed"],
};

/** Builds the view; gives its element, and how to bring it up to date. */
export function processesView(fleet) {
  const rows = element("tbody");
  const table = element(
    "table",
    {},
    element("thead", {}, element("tr", {}, COLUMNS.map((name) => element("th", { scope: "col" }, name)))),
    rows,
  );
  const nothing = element("div", { class: "empty" });
  const choice = element(
    "select",
    { id: "phase-choice", on: { change: () => update() } },
    Object.entries(CHOICES).map(([value, [text]]) => element("option", { value }, text)),
  );
  const root = element(
    "section",
    { "aria-label": "Processes" },
    element(
      "div",
      { class: "heading" },
      element("h1", {}, "Processes"),
      element("div", { class: "choice" }, element("label", { for: "phase-choice", class: "faint" }, "Show "), choice),
    ),
    element("div", { class: "card" }, table, nothing),
  );

  function update() {
    const shown = fleet.processes.filter(CHOICES[choice.value][1]);
    table.hidden = shown.length === 0;
    nothing.hidden = shown.length > 0;
    const text = fleet.isLoaded ? "There are none of these." : "Reading…";
    if (!nothing.hidden) replaceChildren(nothing, text);
    keep(
      rows,
      shown,
      (process) => process.id,
      (process) => JSON.stringify([process, nameOf(process, fleet), fleet.waitsFor(process)]),
      (process) => row(process, fleet),
    );
  }
  return { root, update };
}

function nameOf(process, fleet) {
  const known = [...fleet.containers, ...fleet.hosts];
  return known.find((resource) => resource.id === process.resourceId)?.name;
}

function row(process, fleet) {
  const label = (name) => ({ data: { label: name } });
  const collection = COLLECTIONS[process.resourceType];
  const name = nameOf(process, fleet) || shortId(process.resourceId);
  const link = collection
    ? element("a", { href: `#/${collection}/${process.resourceId}` }, name)
    : name;
  return element(
    "tr",
    {},
    element("th", { scope: "row", title: process.id }, process.name),
    element("td", label("Phase"), element("div", {}, state(process.phase))),
    element("td", { ...label("Of"), class: "long" }, element("div", {}, `${process.resourceType} `, link)),
    element("td", { ...label("What happens"), class: "long" }, about(process, fleet)),
    element("td", { ...label("Asked"), class: "short" }, age(process.created)),
    element("td", { ...label("Took"), class: "short" }, process.finished ? took(process.created, process.finished) : "–"),
  );
}
