// @ts-check
/** Modal dialogs: the browser's own, with a title, a way out, and the focus given back. */

import { freshId, h } from "./dom.js";
import { icon } from "./icons.js";

/**
 * Open a dialog. Escape, its cross and a click beside it close it.
 *
 * @param {string} title
 * @param {(Node | string)[]} content
 * @param {{wide?: boolean, onclose?: () => void}} [options]
 * @returns {HTMLDialogElement}
 */
export function openDialog(title, content, { wide = false, onclose } = {}) {
  const id = freshId();
  const dialog = h(
    "dialog",
    { class: wide ? "dialog wide" : "dialog", "aria-labelledby": id },
    h(
      "div",
      { class: "dialog-head" },
      h("h2", { id }, title),
      h(
        "button",
        { type: "button", class: "icon-button", "aria-label": "Close", onclick: () => dialog.close() },
        icon("close"),
      ),
    ),
    h("div", { class: "dialog-body" }, ...content),
  );
  dialog.addEventListener("click", (/** @type {MouseEvent} */ event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    onclose?.();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/**
 * Ask before something that cannot be undone.
 *
 * @param {string} title
 * @param {string} text
 * @param {string} action what the button says
 * @returns {Promise<boolean>}
 */
export function confirmed(title, text, action) {
  return new Promise((resolve) => {
    let answer = false;
    const decide = (/** @type {boolean} */ value) => {
      answer = value;
      dialog.close();
    };
    const dialog = openDialog(
      title,
      [
        h("p", {}, text),
        h(
          "div",
          { class: "dialog-actions" },
          h("button", { type: "button", class: "button", autofocus: true, onclick: () => decide(false) }, "Cancel"),
          h("button", { type: "button", class: "button danger", onclick: () => decide(true) }, action),
        ),
      ],
      { onclose: () => resolve(answer) },
    );
  });
}
