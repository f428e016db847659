/**
 * Values as words: states, times, ports, amounts. Everything here gives text or small elements and
 * knows nothing of where they stand.
 */

import { element } from "./dom.js";

const MOODS = {
  good: ["running", "active", "done"],
  bad: ["error", "failed", "disconnected"],
  idle: ["created", "stopped", "inactive", "removed", "canceled", "queued"],
};

/** A state or phase as a coloured pill. Whatever is not settled is busy. */
export function state(name) {
  const mood = Object.keys(MOODS).find((key) => MOODS[key].includes(name)) ?? "busy";
  return element("span", { class: "state", data: { mood } }, name);
}

/** How long ago a moment was, in its largest unit; the whole moment stands in the title. */
export function age(moment) {
  if (!moment) return "";
  const made = element("time", { datetime: moment, title: moment });
  made.textContent = ageText(moment);
  return made;
}

/** Brings every age on the page up to date. */
export function renewAges(root = document) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    time.textContent = ageText(time.dateTime);
  }
}

function ageText(moment) {
  return `${span((Date.now() - Date.parse(moment)) / 1_000)} ago`;
}

/** Seconds in their largest unit. */
export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 120) return `${whole} s`;
  if (whole < 7_200) return `${Math.floor(whole / 60)} min`;
  if (whole < 172_800) return `${Math.floor(whole / 3_600)} h`;
  return `${Math.floor(whole / 86_400)} d`;
}

/** How long something took, or has taken so far. */
export function took(from, to) {
  if (!from) return "";
  const millis = Math.max(0, (to ? Date.parse(to) : Date.now()) - Date.parse(from));
  if (millis < 1_000) return `${millis} ms`;
  return millis < 60_000 ? `${(millis / 1_000).toFixed(1)} s` : span(millis / 1_000);
}

/** How often something failed. */
export function failures(count) {
  if (!count) return "";
  return count === 1 ? "failed once" : `failed ${count} times`;
}

/** The end of an id: ids begin with the time of their making, and so with the same characters. */
export function shortId(id) {
  return (id ?? "").slice(-12);
}

/** The bound ports of a container; those that a browser may open as links. */
export function ports(container) {
  const bound = container.boundPorts ?? [];
  return bound.map((port) => element("div", { class: "port" }, portElement(port)));
}

function portElement(port) {
  const protocol = port.protocol ?? "tcp";
  const inside = `${port.containerPort}/${protocol}`;
  if (!port.hostPort) return inside;
  const text = `${port.hostIp ? `${bracketed(port.hostIp)}:` : ""}${port.hostPort} → ${inside}`;
  if (protocol !== "tcp") return text;
  // A port on every address is reached where the page is, as far as the page can know.
  const isEverywhere = !port.hostIp || ["0.0.0.0", "::"].includes(port.hostIp);
  const host = isEverywhere ? location.hostname : bracketed(port.hostIp);
  return element(
    "a",
    { href: `http://${host}:${Number(port.hostPort)}/`, target: "_blank", rel: "noreferrer" },
    text,
  );
}

function bracketed(address) {
  return address.includes(":") ? `[${address}]` : address;
}

/** Thousandths of a processor as processors. */
export function cpus(millis) {
  return String((millis ?? 0) / 1_000);
}

/** MiB, or GiB when there are many. */
export function memory(mib) {
  if ((mib ?? 0) < 10_240) return `${mib ?? 0} MiB`;
  return `${(mib / 1_024).toFixed(1)} GiB`;
}

/** What a process is about, in one sentence. */
export function about(process, fleet) {
  const parts = [process.step, failures(process.attempt), process.message].filter(Boolean);
  if (process.waitingOn) parts.push(`waits for ${fleet.waitsFor(process)}`);
  return parts.join(" · ");
}
