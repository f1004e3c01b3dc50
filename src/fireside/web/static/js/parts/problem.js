// @ts-check
/** An error as people read it: what was wrong, what to do, and the way to try again. */

import { h } from "../lib/dom.js";
import { icon } from "../lib/icons.js";

/**
 * @param {Error & {advice?: string, requestId?: string, code?: number}} error
 * @param {{label: string, run: () => void}[]} [actions]
 * @returns {HTMLElement}
 */
export function problem(error, actions = []) {
  return h(
    "div",
    { class: "problem", role: "alert" },
    icon("alert"),
    h(
      "div",
      {},
      h("p", { class: "problem-message", dir: "auto" }, error.message),
      error.advice && h("p", {}, error.advice),
      error.requestId && h("p", { class: "faint" }, `Code ${error.code}, request ${error.requestId}`),
      actions.length > 0 &&
        h(
          "div",
          { class: "problem-actions" },
          ...actions.map(({ label, run }) =>
            h("button", { type: "button", class: "button small", onclick: run }, label),
          ),
        ),
    ),
  );
}
