// @ts-check
/** Tabs as the ARIA practices have them: one tab stop, arrows move between them. */

import { fill, freshId, h } from "../lib/dom.js";

/**
 * @typedef {object} Tab
 * @property {string} id what stays the same when the tabs are made again
 * @property {string} label
 * @property {() => Node} content made when the tab is shown
 */

/**
 * @param {string} label what the tabs are
 * @param {Tab[]} tabs
 * @param {string} [chosen] id of the first one shown
 * @param {(id: string) => void} [onchange]
 * @returns {HTMLElement}
 */
export function tabbed(label, tabs, chosen, onchange) {
  const panelId = freshId();
  const panel = h("div", { class: "tab-panel", role: "tabpanel", id: panelId, tabindex: "0" });
  const buttons = tabs.map((tab) =>
    h("button", { type: "button", role: "tab", id: freshId(), "aria-controls": panelId }, tab.label),
  );

  const show = (/** @type {number} */ index) => {
    buttons.forEach((button, other) => {
      button.setAttribute("aria-selected", String(other === index));
      button.tabIndex = other === index ? 0 : -1;
    });
    panel.setAttribute("aria-labelledby", buttons[index].id);
    fill(panel, tabs[index].content());
  };
  const choose = (/** @type {number} */ index) => {
    show(index);
    onchange?.(tabs[index].id);
  };
  buttons.forEach((button, index) => {
    button.addEventListener("click", () => choose(index));
    button.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      const size = buttons.length;
      const next = { ArrowRight: (index + 1) % size, ArrowLeft: (index + size - 1) % size, Home: 0, End: size - 1 }[
        event.key
      ];
      if (next === undefined) return;
      event.preventDefault();
      choose(next);
      buttons[next].focus();
    });
  });
  show(Math.max(0, tabs.findIndex((tab) => tab.id === chosen)));
  return h("div", { class: "tabs" }, h("div", { role: "tablist", "aria-label": label }, ...buttons), panel);
}
