/**
 * The HTTP API. The key lives in the session storage of this tab and goes nowhere but into the
 * header of requests to the host that the page came from.
 */

const KEY = "drover.apiKey";
/** How long an answer may take, in milliseconds. */
const PATIENCE = 20_000;
/** The most pages of a collection that are read. */
const MOST_PAGES = 20;

/** A refusal of the server, or that none could be reached (status 0). */
export class Problem extends Error {
  /** @param {number} status of the HTTP answer @param {object} body the RFC 9457 problem */
  constructor(status, body) {
    super(body.detail || body.title || `The server answered ${status}.`);
    this.status = status;
    this.code = body.code;
    this.field = body.field;
    this.hint = body.hint;
    this.requestId = body.requestId;
  }

  /** Whether the key was not accepted. */
  get isSignedOut() {
    return this.status === 401;
  }
}

export function apiKey() {
  return sessionStorage.getItem(KEY);
}

/** Keeps a key for this tab; null forgets it. */
export function setApiKey(key) {
  if (key) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
}

/** Reads an object. */
export function get(path) {
  return send("GET", path);
}

/** Creates something, or asks for an action. */
export function post(path, body = {}) {
  return send("POST", path, body);
}

/**
 * Reads a collection.
 *
 * @returns {Promise<{items: Array<object>, isWhole: boolean}>} what was read, and whether that is all
 */
export async function list(path) {
  const items = [];
  let next = path;
  for (let page = 0; next && page < MOST_PAGES; page += 1) {
    const answer = await get(next);
    items.push(...(answer.data ?? []));
    next = answer.links?.next ?? answer.pagination?.next ?? null;
  }
  return { items, isWhole: !next };
}

/**
 * Follows the changes until the stream ends or `signal` aborts.
 *
 * @param {(change: object) => void} onChange told each change
 * @param {() => void} onOpen told once the stream stands
 */
export async function watch(signal, onOpen, onChange) {
  const headers = { ...authorization(), Accept: "application/x-ndjson" };
  const answer = await reach("/v1/watch", { headers, signal });
  if (!answer.ok || !answer.body) throw await refusal(answer);
  onOpen();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line.trim()) onChange(JSON.parse(line));
  }
}

async function send(method, path, body) {
  const headers = { ...authorization(), Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await reach(path, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(PATIENCE),
  });
  if (!answer.ok) throw await refusal(answer);
  if (answer.status === 204) return null;
  try {
    return await answer.json();
  } catch {
    throw new Problem(answer.status, { detail: "The answer was cut off or is not JSON." });
  }
}

async function reach(path, options) {
  const address = new URL(path, location.origin);
  // Links come out of answers: the key never follows one to somewhere else.
  if (address.origin !== location.origin) throw new Problem(0, { detail: "A link leads astray." });
  try {
    return await fetch(address, { ...options, cache: "no-store", redirect: "error" });
  } catch (error) {
    if (options.signal?.aborted && error.name === "AbortError") throw error;
    throw new Problem(0, {
      detail: "The server cannot be reached.",
      hint: "What was accepted goes on without this page.",
    });
  }
}

async function refusal(answer) {
  let body = {};
  try {
    body = (await answer.json()) ?? {};
  } catch {
    // Whatever stands between us and the server may refuse in a form of its own.
  }
  return new Problem(answer.status, body);
}

function authorization() {
  const key = apiKey();
  return key ? { Authorization: `Bearer ${key}` } : {};
}
