// @ts-check
/** A button that opens a short list of things to do. Escape and a click elsewhere close it, arrows move in it. */

import { h } from "./dom.js";
import { icon } from "./icons.js";

/**
 * @param {string} label of the button
 * @param {Record<string, string>} attributes of the button
 * @param {{label: string, sign: string, run: () => void}[]} items
 * @returns {HTMLElement[]} the button and its list
 */
export function menu(label, attributes, items) {
  const buttons = items.map(({ label: text, sign, run }) =>
    h("button", { type: "button", role: "menuitem", onclick: () => (list.hidePopover(), run()) }, icon(sign), text),
  );
  const list = h("div", { class: "menu", role: "menu", "aria-label": label, popover: "auto" }, ...buttons);
  const opener = h(
    "button",
    { type: "button", class: "icon-button", "aria-label": label, "aria-haspopup": "menu", "aria-expanded": "false", ...attributes },
    icon("more"),
  );
  opener.popoverTargetElement = list;
  list.addEventListener("toggle", (/** @type {ToggleEvent} */ event) => {
    const open = event.newState === "open";
    opener.setAttribute("aria-expanded", String(open));
    if (!open) return;
    const below = opener.getBoundingClientRect();
    const { width, height } = list.getBoundingClientRect();
    list.style.left = `${Math.max(8, Math.min(below.right - width, innerWidth - width - 8))}px`;
    list.style.top = `${Math.min(below.bottom + 4, innerHeight - height - 8)}px`;
    buttons[0].focus();
  });
  list.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowDown: 1, ArrowUp: buttons.length - 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const at = buttons.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    buttons[(at + step) % buttons.length].focus();
  });
  return [opener, list];
}
