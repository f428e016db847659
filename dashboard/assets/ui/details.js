/**
 * The pane beside a list: one resource, and the story of what was asked of it. The story is read
 * for itself, since it reaches further back than the list of recent processes.
 */

import { actionButtons } from "./actions.js";
import { Problem, get, list } from "./api.js";
import { element, replaceChildren } from "./dom.js";
import { age, cpus, failures, memory, ports, state, took } from "./words.js";

/** The most processes that are told of. */
const MOST = 20;

/** Builds the pane; gives its element, how to show a resource, and how to bring it up to date. */
export function detailsPane(fleet) {
  const root = element("aside", { class: "card details", "aria-label": "Details", hidden: true });
  let shown = null;
  let signature = null;
  let reading = 0;

  async function show(collection, id) {
    shown = id ? { collection, id } : null;
    signature = null;
    root.hidden = !shown;
    reading += 1;
    if (!shown) return;
    replaceChildren(root, element("p", { class: "faint" }, "Reading…"));
    await update();
    // Where the pane stands above the list, the list may be scrolled past it.
    if (root.getBoundingClientRect().top < 0) root.scrollIntoView();
  }

  async function update() {
    if (!shown) return;
    const { collection, id } = shown;
    reading += 1;
    const mine = reading;
    let content;
    try {
      const [resource, processes] = await Promise.all([
        get(`/v1/${collection}/${encodeURIComponent(id)}`),
        list(`/v1/processes?limit=100&resourceId=${encodeURIComponent(id)}`),
      ]);
      content = { collection, resource, processes: newestFirst(processes.items) };
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      content = { collection, problem: problem.message };
    }
    // Another resource was chosen, or a later reading began, while this one was on its way.
    if (mine !== reading) return;
    const next = JSON.stringify([content, fleet.hostName(content.resource?.hostId)]);
    if (next === signature) return;
    signature = next;
    const hadFocus = root.contains(document.activeElement);
    replaceChildren(root, contentOf(content, fleet));
    if (hadFocus) root.querySelector("a, button")?.focus();
  }
  return { root, show, update };
}

function newestFirst(processes) {
  return processes
    .sort((left, right) => (left.created < right.created ? 1 : -1))
    .slice(0, MOST);
}

function contentOf({ collection, resource, processes, problem }, fleet) {
  const close = element("a", { href: `#/${collection}`, "aria-label": "Close the details" }, "Close");
  if (problem) {
    return [element("div", { class: "heading" }, element("h2", {}, "Not there"), close), problem];
  }
  return [
    element("div", { class: "heading" }, element("h2", {}, resource.name || resource.id), close),
    state(resource.state),
    resource.error && element("p", { class: "bad" }, resource.error),
    facts(resource.type === "host" ? hostFacts(resource) : containerFacts(resource, fleet)),
    element("section", {}, actionButtons(resource, fleet)),
    element("section", {}, element("h3", {}, "What was asked of it"), timeline(processes, fleet)),
  ];
}

/** Pairs as a list of definitions; what is empty is left out. */
function facts(pairs) {
  const isEmpty = (value) =>
    value === undefined || value === null || value === "" || value.length === 0;
  return element(
    "dl",
    {},
    pairs
      .filter(([, value]) => !isEmpty(value))
      .map(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]),
  );
}

function containerFacts(container, fleet) {
  const { resources = {} } = container;
  return [
    ["Id", mono(container.id)],
    ["Image", mono(container.image)],
    ["Host", fleet.hostName(container.hostId)],
    ["Ports", ports(container)],
    ["Address", mono(container.address)],
    ["Entry point", mono((container.entrypoint ?? []).join(" "))],
    ["Command", mono((container.command ?? []).join(" "))],
    ["Environment", lines(container.environment)],
    ["Labels", lines(container.labels)],
    ["Memory", resources.memoryMiB && memory(resources.memoryMiB)],
    ["Processors", resources.cpuMillis && cpus(resources.cpuMillis)],
    ["User", container.user],
    ["Exit code", Number.isInteger(container.exitCode) ? String(container.exitCode) : ""],
    ["Runtime id", mono(container.runtimeId?.slice(0, 12))],
    ["Created", age(container.created)],
    ["Version", String(container.version ?? "")],
  ];
}

function hostFacts(host) {
  const { facts: known = {}, capacity = {}, reserved = {} } = host;
  return [
    ["Id", mono(host.id)],
    ["System", known.operatingSystem],
    ["Kernel", known.kernel],
    ["Architecture", known.architecture],
    ["Runtime", [known.runtime, known.runtimeVersion].filter(Boolean).join(" ")],
    ["Agent", known.agentVersion],
    ["Processors", `${cpus(reserved.cpuMillis)} of ${cpus(capacity.cpuMillis)} reserved`],
    ["Memory", `${memory(reserved.memoryMiB)} of ${memory(capacity.memoryMiB)} reserved`],
    ["Labels", lines(host.labels)],
    ["Joined", age(host.created)],
  ];
}

function mono(text) {
  return text ? element("span", { class: "mono" }, text) : "";
}

function lines(map) {
  return Object.entries(map ?? {}).map(([key, value]) =>
    element("div", { class: "mono" }, `${key}=${value}`),
  );
}

function timeline(processes, fleet) {
  if (processes.length === 0) return element("p", { class: "faint" }, "Nothing that is still kept.");
  return element("ol", { class: "timeline" }, processes.map((process) => story(process, fleet)));
}

function story(process, fleet) {
  const journal = process.journal ?? [];
  const isSaid = journal.at(-1)?.error === process.message;
  return element(
    "li",
    {},
    element(
      "div",
      { class: "line" },
      element("strong", { title: process.id }, process.name),
      state(process.phase),
      element("span", { class: "faint" }, age(process.created)),
      process.finished && element("span", { class: "faint" }, `took ${took(process.created, process.finished)}`),
    ),
    process.message && !isSaid && element("div", {}, process.message),
    process.waitingOn && element("div", { class: "faint" }, `Waits for ${fleet.waitsFor(process)}`),
    element("ul", { class: "steps" }, journal.map(step)),
  );
}

function step(entry) {
  const parts = [
    entry.step,
    entry.finished ? took(entry.started, entry.finished) : "on its way",
    failures(entry.attempts),
  ];
  return element(
    "li",
    { data: { done: String(Boolean(entry.finished)) } },
    parts.filter(Boolean).join(" · "),
    entry.error && element("div", { class: entry.finished ? "faint" : "bad" }, entry.error),
  );
}
