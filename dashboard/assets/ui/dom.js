/**
 * Building the page out of elements.
 *
 * Text only ever becomes a text node, so that no name or message of a container can become markup.
 * Lists are kept by key: a row whose content did not change keeps its element, and with it the
 * focus and the selection of the person who is using it.
 */

/**
 * Makes an element.
 *
 * @param {string} tag its name
 * @param {object} [properties] attributes; `class`; `data`, an object for `dataset`; `on`, an object
 *   of listeners; whatever is null or false is left out, and true is an attribute without a value
 * @param {...(Node|string|number|null|undefined|false|Array)} children nodes, or text
 * @returns {HTMLElement}
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "data") Object.assign(made.dataset, value);
    else if (name === "on") listen(made, value);
    else if (name === "value") made.value = value;
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  append(made, children);
  return made;
}

function listen(target, listeners) {
  for (const [event, listener] of Object.entries(listeners)) {
    target.addEventListener(event, listener);
  }
}

function append(parent, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false || child === "") continue;
    if (Array.isArray(child)) append(parent, child);
    else parent.append(child instanceof Node ? child : String(child));
  }
}

/** Puts other children in the place of those that are there. */
export function replaceChildren(parent, ...children) {
  parent.replaceChildren();
  append(parent, children);
}

/**
 * Sets text, unless it is the same: an unchanged live region is not read out again.
 */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/**
 * Makes the children of `parent` those of `items`, in order.
 *
 * @param {HTMLElement} parent the list or the body of a table
 * @param {Array<object>} items what to show
 * @param {(item: object) => string} keyOf names an item
 * @param {(item: object) => string} signatureOf everything that its element depends on
 * @param {(item: object) => HTMLElement} build makes its element
 */
export function keep(parent, items, keyOf, signatureOf, build) {
  const before = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const focus = focusWithin(parent);
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    const signature = signatureOf(item);
    let child = before.get(key);
    before.delete(key);
    if (!child || child.dataset.signature !== signature) {
      const fresh = build(item);
      fresh.dataset.key = key;
      fresh.dataset.signature = signature;
      if (child === place) place = child?.nextElementSibling ?? null;
      child?.remove();
      child = fresh;
    }
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
  for (const child of before.values()) child.remove();
  restoreFocus(parent, focus);
}

/** Which row has the focus, and which of its controls, counted. */
function focusWithin(parent) {
  const row = [...parent.children].find((child) => child.contains(document.activeElement));
  if (!row) return null;
  return { key: row.dataset.key, index: controls(row).indexOf(document.activeElement) };
}

function restoreFocus(parent, focus) {
  if (!focus || parent.contains(document.activeElement)) return;
  const row = [...parent.children].find((child) => child.dataset.key === focus.key);
  if (!row) return;
  const candidates = controls(row);
  candidates[Math.min(focus.index, candidates.length - 1)]?.focus();
}

function controls(row) {
  return [...row.querySelectorAll("a, button")];
}
