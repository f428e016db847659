/**
 * The recent processes of the whole fleet, without reading all of history each time.
 *
 *   oldest ... | finished | finished | the last page |   <- only this one is read again
 *                                  + what is unfinished, wherever it stands
 *
 * The server lists the oldest first, so the end of the list is found once and then remembered as
 * the address of its last page. A long history is walked in portions, one a reading. A server that
 * lists the newest first is served by its first page.
 */

import { get } from "./api.js";

const COLLECTION = "/v1/processes?limit=100";
const UNFINISHED = ["queued", "running", "waiting"];
/** Pages that one reading walks at most. */
const PORTION = 20;
/** How many are remembered. */
const MOST = 300;
/** How many that ended unseen are asked for one by one in a reading. */
const MOST_ALONE = 20;

/** Remembers the recent processes. */
export class RecentProcesses {
  #known = new Map();
  #page = COLLECTION;

  /** Reads what is new. @returns {Promise<Array<object>>} the newest first */
  async read() {
    const fresh = new Set();
    const learn = (processes) => {
      for (const process of processes) {
        fresh.add(process.id);
        this.#known.set(process.id, process);
      }
    };
    // The unfinished ones go first: one that ends meanwhile is found again on the last page.
    const unfinished = UNFINISHED.map((phase) => get(`${COLLECTION}&phase=${phase}`));
    for (const answer of await Promise.all(unfinished)) learn(answer.data ?? []);
    await this.#walk(learn);
    await this.#askFor(fresh);
    return this.#trim();
  }

  async #walk(learn) {
    for (let page = 0; page < PORTION; page += 1) {
      const answer = await get(this.#page);
      const processes = answer.data ?? [];
      learn(processes);
      const next = answer.links?.next ?? answer.pagination?.next;
      if (!next || isNewestFirst(processes)) return;
      this.#page = next;
    }
  }

  /** Those that were unfinished and are in none of the lists have ended, far from the last page. */
  async #askFor(fresh) {
    const lost = [...this.#known.values()]
      .filter((process) => UNFINISHED.includes(process.phase) && !fresh.has(process.id))
      .slice(0, MOST_ALONE);
    for (const { id } of lost) {
      try {
        this.#known.set(id, await get(`/v1/processes/${id}`));
      } catch (problem) {
        if (problem.status !== 404) throw problem;
        this.#known.delete(id);
      }
    }
  }

  #trim() {
    const all = [...this.#known.values()].sort((left, right) =>
      left.created < right.created ? 1 : -1,
    );
    for (const process of all.slice(MOST)) {
      if (!UNFINISHED.includes(process.phase)) this.#known.delete(process.id);
    }
    return all.filter((process) => this.#known.has(process.id));
  }
}

function isNewestFirst(processes) {
  return processes.length > 1 && processes[0].created > processes.at(-1).created;
}
