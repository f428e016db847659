/**
 * What the page knows of the fleet, and how that stays true.
 *
 *   watch stream --a change: a hint--> read the lists again --> tell the views
 *   no stream ------every 2 s--------> read the lists again --> tell the views
 *
 * A change is never applied by itself: the lists are the truth, so a lost or repeated hint does no
 * harm. Hints that come close together lead to one reading. Processes do not announce each of
 * their steps, so while one is unfinished its step is looked up every two seconds too.
 */

import { Problem, list, watch } from "./api.js";
import { RecentProcesses } from "./recent.js";

/** Milliseconds between readings while there is no stream, or a process is on its way. */
const OFTEN = 2_000;
/** Milliseconds between readings while all is quiet and the stream stands. */
const RARELY = 15_000;
/** Milliseconds in which hints are gathered. */
const GATHER = 150;
/** Milliseconds before a broken stream is opened again, at first and at most. */
const REOPEN = { first: 1_000, most: 15_000 };
const FINISHED = new Set(["done", "failed", "canceled"]);

/** The lists as they were last read, and whether the stream stands. */
export class Fleet {
  containers = [];
  hosts = [];
  processes = [];
  isWhole = true;
  isLoaded = false;
  /** `live`, `polling` or `away`. */
  connection = "polling";

  #recent = new RecentProcesses();
  #listeners = new Set();
  #stop = new AbortController();
  #timer = null;
  #isReading = false;
  #isStale = false;

  /** Has `listener` called whenever something may have changed. */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Begins to read; ends with {@link Fleet#stop}.
   *
   * @param {(problem: Problem) => void} onSignedOut told when the key is not accepted any more
   */
  start(onSignedOut) {
    this.onSignedOut = onSignedOut;
    document.addEventListener("visibilitychange", this.#wake, { signal: this.#stop.signal });
    this.#follow();
    return this.refresh();
  }

  /** Ends everything. */
  stop() {
    this.#stop.abort();
    clearTimeout(this.#timer);
    this.#listeners.clear();
  }

  /** The name of a host, or the end of its id. */
  hostName(id) {
    return this.hosts.find((host) => host.id === id)?.name || id?.slice(-12) || "";
  }

  /** What a process waits for, hosts by their names. */
  waitsFor(process) {
    const [type, id] = process.waitingOn?.split("/") ?? [];
    return type === "host" && id ? `host ${this.hostName(id)}` : process.waitingOn;
  }

  /** The newest unfinished process of a resource. */
  activeProcess(id) {
    return this.processes.find(
      (process) => process.resourceId === id && !FINISHED.has(process.phase),
    );
  }

  /** Reads the lists now; a wish that comes meanwhile leads to one more reading. */
  async refresh() {
    if (this.#isReading) {
      this.#isStale = true;
      return;
    }
    this.#isReading = true;
    this.#isStale = false;
    try {
      await this.#read();
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#isReading = false;
    }
    if (this.#stop.signal.aborted) return;
    this.#tell();
    this.#schedule(this.#isStale ? GATHER : this.#pause());
  }

  async #read() {
    const [containers, hosts, processes] = await Promise.all([
      list("/v1/containers?limit=100"),
      list("/v1/hosts?limit=100"),
      this.#recent.read(),
    ]);
    this.containers = containers.items.sort(byName);
    this.hosts = hosts.items.sort(byName);
    this.processes = processes;
    this.isWhole = containers.isWhole && hosts.isWhole;
    this.isLoaded = true;
    if (this.connection === "away") this.connection = "polling";
  }

  #failed(error) {
    if (!(error instanceof Problem)) throw error;
    if (error.isSignedOut) this.onSignedOut(error);
    else this.connection = "away";
    this.problem = error;
  }

  #pause() {
    const isBusy = this.processes.some((process) => !FINISHED.has(process.phase));
    const pause = this.connection === "live" && !isBusy ? RARELY : OFTEN;
    return pause * (0.9 + Math.random() * 0.2);
  }

  #schedule(pause) {
    clearTimeout(this.#timer);
    // A page that nobody looks at reads nothing; it reads at once when it is looked at again.
    if (document.hidden) return;
    this.#timer = setTimeout(() => this.refresh(), pause);
  }

  #wake = () => {
    if (!document.hidden) this.refresh();
  };

  async #follow() {
    const signal = this.#stop.signal;
    let pause = REOPEN.first;
    while (!signal.aborted) {
      try {
        await watch(
          signal,
          () => {
            pause = REOPEN.first;
            this.#connected("live");
            // What changed before the stream stood was not told.
            this.refresh();
          },
          () => (this.#isReading ? (this.#isStale = true) : this.#schedule(GATHER)),
        );
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Problem && error.isSignedOut) return;
      }
      if (this.connection === "live") this.#connected("polling");
      await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random())));
      pause = Math.min(pause * 2, REOPEN.most);
    }
  }

  #connected(connection) {
    this.connection = connection;
    this.#tell();
    this.#schedule(GATHER);
  }

  #tell() {
    for (const listener of this.#listeners) listener();
  }
}

function byName(left, right) {
  return (left.name || left.id).localeCompare(right.name || right.id);
}
