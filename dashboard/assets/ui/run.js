/**
 * The form that runs a container. It reads what was typed and leaves the judgement to the server:
 * a refusal is shown at the field that it names.
 */

import { post } from "./api.js";
import { element, replaceChildren } from "./dom.js";

const PORT = /^(?:(?:(\[[0-9a-f:.]+\]|[0-9.]+):)?(\d*):)?(\d+)(?:\/(tcp|udp))?$/i;

/** Opens the form; it closes when the container is accepted. */
export function openRunForm(fleet) {
  const fields = formFields(fleet);
  const problem = element("div", { class: "bad refusal", role: "alert" });
  const submit = element("button", { type: "submit", class: "primary" }, "Run");
  const dialog = element("dialog", { "aria-labelledby": "run-title" });
  const send = async (event) => {
    event.preventDefault();
    submit.disabled = true;
    clear(fields, problem);
    try {
      const accepted = await post("/v1/containers", read(fields));
      dialog.close();
      location.hash = `#/containers/${accepted.id}`;
      fleet.refresh();
    } catch (error) {
      blame(error, fields, problem);
    } finally {
      submit.disabled = false;
    }
  };
  const cancel = element(
    "button",
    { type: "button", class: "quiet", on: { click: () => dialog.close() } },
    "Cancel",
  );
  replaceChildren(
    dialog,
    element("h2", { id: "run-title" }, "Run a container"),
    element(
      "form",
      { on: { submit: send } },
      element("div", { class: "columns" }, Object.values(fields).map(framed)),
      problem,
      element("div", { class: "buttons" }, submit, cancel),
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  fields.image.focus();
}

/** The controls by the names of the fields that they fill. */
function formFields(fleet) {
  const hosts = fleet.hosts
    .filter((host) => host.state === "active")
    .map((host) => element("option", { value: host.id }, host.name || host.id));
  return {
    image: input("Image", { required: true, placeholder: "drover/hello", autocomplete: "off" }),
    name: input("Name", { placeholder: "web", autocomplete: "off" }),
    ports: input("Ports", { placeholder: "8081:80, 127.0.0.1:5353:53/udp" }),
    command: input("Command, a word for each argument", { placeholder: "sleep 3600" }),
    memoryMiB: input("Memory in MiB", { type: "number", min: 6, step: 1 }),
    cpus: input("Processors", { type: "number", min: 0.001, step: "any", placeholder: "0.5" }),
    hostId: labelled("Host", element("select", {}, element("option", { value: "" }, "Any"), hosts)),
    environment: labelled(
      "Environment, a line for each",
      element("textarea", { rows: 3, placeholder: "KEY=value", spellcheck: "false" }),
    ),
    labels: labelled(
      "Labels, a line for each",
      element("textarea", { rows: 3, placeholder: "team=x", spellcheck: "false" }),
    ),
  };
}

function input(label, properties) {
  return labelled(label, element("input", { type: "text", ...properties }));
}

function labelled(label, control) {
  control.dataset.title = label;
  return control;
}

function framed(control, index) {
  control.id = `run-${index}`;
  return element(
    "div",
    { class: "field" },
    element("label", { for: control.id }, control.dataset.title),
    control,
  );
}

/** What the form says, as the API's spec of a container. */
function read(fields) {
  const spec = { image: fields.image.value.trim() };
  const name = fields.name.value.trim();
  if (name) spec.name = name;
  const command = fields.command.value.trim();
  if (command) spec.command = command.split(/\s+/);
  const ports = fields.ports.value.split(",").map((text) => text.trim()).filter(Boolean);
  if (ports.length > 0) spec.ports = ports.map(readPort);
  const resources = {};
  if (fields.memoryMiB.value) resources.memoryMiB = Number(fields.memoryMiB.value);
  if (fields.cpus.value) resources.cpuMillis = Math.round(Number(fields.cpus.value) * 1_000);
  if (Object.keys(resources).length > 0) spec.resources = resources;
  if (fields.hostId.value) spec.placement = { hostId: fields.hostId.value };
  spec.environment = readPairs(fields.environment.value, "environment");
  spec.labels = readPairs(fields.labels.value, "labels");
  return spec;
}

function readPort(text) {
  const parts = PORT.exec(text);
  if (!parts) throw new Misread("ports", `“${text}” is no port; write 8081:80 or 80`);
  const [, address, host, inside, protocol] = parts;
  const port = { containerPort: Number(inside) };
  if (address) port.hostIp = address.replace(/^\[|\]$/g, "");
  if (host) port.hostPort = Number(host);
  if (protocol) port.protocol = protocol.toLowerCase();
  return port;
}

function readPairs(text, field) {
  const pairs = text.split("\n").map((line) => line.trim()).filter(Boolean);
  return Object.fromEntries(
    pairs.map((line) => {
      const place = line.indexOf("=");
      if (place < 1) throw new Misread(field, `“${line}” has no key and value; write KEY=value`);
      return [line.slice(0, place), line.slice(place + 1)];
    }),
  );
}

/** What was typed cannot be read; the form itself says so, as the server would. */
class Misread extends Error {
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

/** Shows a refusal, and marks the control that fills the field that it names. */
function blame(error, fields, problem) {
  const particulars = [
    error.field && `Field: ${error.field}`,
    error.hint,
    error.requestId && `Request ${error.requestId}`,
  ];
  replaceChildren(
    problem,
    error.message,
    particulars.filter(Boolean).map((text) => element("div", { class: "faint" }, text)),
  );
  const path = (error.field ?? "").split(/[.[]/);
  const control = [...path].reverse().map((part) => fields[aliasOf(part)]).find(Boolean);
  if (!control) return;
  control.setAttribute("aria-invalid", "true");
  control.focus();
}

/** Where the form names a field otherwise than the API does. */
function aliasOf(part) {
  return part === "cpuMillis" ? "cpus" : part;
}

function clear(fields, problem) {
  problem.textContent = "";
  for (const control of Object.values(fields)) control.removeAttribute("aria-invalid");
}
