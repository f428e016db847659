/**
 * What the person must hear of: refusals with their field, hint and request id. A notice stays
 * until it is dismissed; the same one again replaces the first.
 */

import { element } from "./dom.js";

/** The most notices at a time: the oldest goes. */
const MOST = 4;

/** Shows a problem; `what` says what was tried. */
export function showProblem(problem, what) {
  const region = document.getElementById("notices");
  const key = `${what}\n${problem.message}`;
  [...region.children].find((notice) => notice.dataset.key === key)?.remove();
  const notice = element(
    "div",
    { class: "notice", data: { key } },
    element("strong", {}, what),
    element("span", {}, problem.message),
    problem.field && element("span", { class: "faint" }, `Field: ${problem.field}`),
    problem.hint && element("span", { class: "faint" }, problem.hint),
    problem.requestId && element("span", { class: "faint mono" }, `Request ${problem.requestId}`),
    element(
      "button",
      {
        type: "button",
        class: "quiet",
        "aria-label": "Dismiss",
        on: { click: () => notice.remove() },
      },
      "✕",
    ),
  );
  region.append(notice);
  while (region.children.length > MOST) region.firstElementChild.remove();
}

/** Takes all notices away. */
export function clearNotices() {
  document.getElementById("notices").replaceChildren();
}
