/**
 * The actions of a resource as buttons: exactly those that the server offers, none that the page
 * thinks up. An unknown action of a newer server is offered under its own name.
 */

import { post } from "./api.js";
import { element } from "./dom.js";
import { showProblem } from "./notices.js";

const LABELS = {
  start: "Start",
  stop: "Stop",
  restart: "Restart",
  activate: "Activate",
  deactivate: "Deactivate",
  evacuate: "Evacuate",
  remove: "Remove",
  purge: "Purge",
};
/** Those that destroy something ask first. */
const QUESTIONS = {
  remove: (name, type) =>
    type === "container"
      ? `Remove ${name}? It is stopped, and what it wrote is lost.`
      : `Remove ${name}?`,
  purge: (name) => `Purge ${name}? No trace of it will be left.`,
};
const ORDER = Object.keys(LABELS);

/**
 * Buttons for the actions of a resource.
 *
 * @param {object} resource with `actions`, addresses by name
 * @param {import("./fleet.js").Fleet} fleet read again after an action
 */
export function actionButtons(resource, fleet) {
  const names = Object.keys(resource.actions ?? {}).sort(
    (left, right) => rank(left) - rank(right) || left.localeCompare(right),
  );
  const title = resource.name || resource.id;
  return element(
    "div",
    { class: "buttons", role: "group", "aria-label": `Actions of ${title}` },
    names.map((name) =>
      element(
        "button",
        {
          type: "button",
          class: name in QUESTIONS ? "danger" : null,
          "aria-label": `${label(name)} ${title}`,
          on: { click: (event) => act(event.currentTarget, resource, name, fleet) },
        },
        label(name),
      ),
    ),
  );
}

function rank(name) {
  const place = ORDER.indexOf(name);
  return place < 0 ? ORDER.length : place;
}

function label(name) {
  return LABELS[name] ?? name;
}

async function act(button, resource, name, fleet) {
  const title = resource.name || resource.id;
  if (name in QUESTIONS && !window.confirm(QUESTIONS[name](title, resource.type))) return;
  button.disabled = true;
  try {
    await post(resource.actions[name]);
  } catch (problem) {
    showProblem(problem, `${label(name)} ${title}`);
  } finally {
    button.disabled = false;
  }
  await fleet.refresh();
}
