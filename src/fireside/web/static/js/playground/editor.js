// @ts-check
/** A text to change in its place. */

import { h } from "../lib/dom.js";
import { toast } from "../lib/toast.js";

/**
 * @param {string} label
 * @param {string} text
 * @param {string} action what the button says
 * @param {(text: string) => void} done
 * @param {() => void} cancel
 * @returns {HTMLElement}
 */
export function editor(label, text, action, done, cancel) {
  const area = h("textarea", { "aria-label": label, dir: "auto", rows: Math.min(12, text.split("\n").length + 1), ".value": text });
  const submit = () => {
    if (area.value.trim()) done(area.value);
    else toast("Write something, or cancel.");
  };
  area.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape") (event.stopPropagation(), cancel());
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) (event.preventDefault(), submit());
  });
  return h(
    "div",
    { class: "editor" },
    area,
    h(
      "div",
      { class: "editor-actions" },
      h("button", { type: "button", class: "button small", onclick: cancel }, "Cancel"),
      h("button", { type: "button", class: "button small primary", onclick: submit }, action),
    ),
  );
}
