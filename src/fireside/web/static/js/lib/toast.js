// @ts-check
/** A short message at the edge of the page, perhaps with one thing to do about it. */

import { announce } from "./announce.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";

const SHOWN_MS = 7000;

/** @type {HTMLElement | null} */
let shelf = null;

/**
 * @param {string} text
 * @param {{label: string, run: () => void}} [action]
 */
export function toast(text, action) {
  if (!shelf) {
    shelf = h("div", { class: "toasts" });
    document.body.append(/** @type {HTMLElement} */ (shelf));
  }
  const close = () => message.remove();
  const message = h(
    "div",
    { class: "toast" },
    h("span", {}, text),
    action &&
      h("button", { type: "button", class: "button small", onclick: () => (close(), action.run()) }, action.label),
    h("button", { type: "button", class: "icon-button", "aria-label": "Dismiss", onclick: close }, icon("close")),
  );
  /** @type {HTMLElement} */ (shelf).replaceChildren(message);
  announce(text);
  // One that can be acted on stays until it is used or another comes.
  if (!action) setTimeout(close, SHOWN_MS);
}
