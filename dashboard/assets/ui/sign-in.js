/** Asks for an API key, tries it, and keeps it for this tab. */

import { get, setApiKey } from "./api.js";
import { element } from "./dom.js";

/**
 * The form.
 *
 * @param {string} reason why it is shown, if it is not the first time
 * @param {() => void} onSignedIn called once a key was accepted
 */
export function signInForm(reason, onSignedIn) {
  const key = element("input", {
    id: "api-key",
    type: "password",
    required: true,
    autocomplete: "current-password",
    spellcheck: "false",
    placeholder: "drv_…",
    "aria-describedby": "api-key-help",
  });
  const problem = element("p", { class: "bad", role: "alert" }, reason);
  const submit = element("button", { type: "submit", class: "primary" }, "Sign in");

  async function tryKey(event) {
    event.preventDefault();
    submit.disabled = true;
    problem.textContent = "";
    const text = key.value.trim();
    // A header can carry nothing else, and the browser's own complaint would be a riddle.
    if (!/^[\x21-\x7e]+$/.test(text)) {
      problem.textContent = "That is no API key: a key is one word that begins with drv_.";
      submit.disabled = false;
      return;
    }
    setApiKey(text);
    try {
      await get("/v1/containers?limit=1");
      onSignedIn();
    } catch (error) {
      setApiKey(null);
      problem.textContent = error.isSignedOut
        ? "The server does not accept this key."
        : [error.message, error.hint].filter(Boolean).join(" ");
      key.select();
    } finally {
      submit.disabled = false;
    }
  }

  return element(
    "form",
    { class: "card sign-in", on: { submit: tryKey } },
    element("h1", {}, "Sign in"),
    element(
      "p",
      { id: "api-key-help", class: "faint" },
      "The server wrote an operator's key to a file when it first started, and says in its log where that is. This tab keeps the key until it is closed.",
    ),
    element("div", { class: "field" }, element("label", { for: "api-key" }, "API key"), key),
    problem,
    submit,
  );
}
