// @ts-check
/** Asks for an API token. Loaded only when the server wants one. */

import { openDialog } from "../lib/dialog.js";
import { freshId, h } from "../lib/dom.js";

/**
 * @param {boolean} refused whether there was a token, which the server does not take (any more)
 * @param {object} session
 * @param {(token: string) => Promise<boolean>} session.isGood whether the server takes it
 * @param {(token: string) => void} session.setToken keeps it; an empty one forgets the last
 * @returns {Promise<boolean>} whether there is a good one now
 */
export function askForToken(refused, { isGood, setToken }) {
  return new Promise((resolve) => {
    let given = false;
    const id = freshId();
    const field = h("input", { id, type: "password", autocomplete: "off", spellcheck: "false", required: true });
    const problem = h("p", { class: "field-error", role: "alert" });
    const submit = async (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      problem.textContent = "";
      const token = field.value.trim();
      try {
        given = await isGood(token);
      } catch (error) {
        problem.textContent = /** @type {Error} */ (error).message;
        return;
      }
      if (!given) {
        problem.textContent = "The server does not know this token, or it was revoked.";
        field.select();
        return;
      }
      setToken(token);
      dialog.close();
    };
    const dialog = openDialog(
      "This server asks for a token",
      [
        h(
          "p",
          {},
          refused ? "The token of this tab is not taken any more. " : "",
          "Whoever runs the server makes one with ",
          h("code", {}, "fireside token create"),
          ". It stays in this tab only, until the tab is closed.",
        ),
        h(
          "form",
          { class: "form", onsubmit: submit },
          h("label", { for: id }, "API token"),
          field,
          problem,
          h("div", { class: "dialog-actions" }, h("button", { class: "button primary" }, "Use this token")),
        ),
      ],
      { onclose: () => resolve(given) },
    );
    if (refused) setToken("");
    field.focus();
  });
}
