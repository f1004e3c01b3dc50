// @ts-check
/** Code to copy: one block, or the same request in several languages. */

import { samples } from "../code/samples.js";
import { highlighted } from "../code/highlight.js";
import { copyButton } from "../lib/copy-button.js";
import { h } from "../lib/dom.js";
import { tabbed } from "./tabs.js";

const KEY = "fireside.language";

/**
 * @param {string} code
 * @param {string} language
 * @param {string} label what it is, for screen readers
 * @returns {HTMLElement}
 */
export function codeBlock(code, language, label) {
  return h(
    "div",
    { class: "code-block" },
    // What scrolls must be reachable by keyboard.
    h("pre", { tabindex: "0", "aria-label": label, role: "region" }, h("code", {}, ...highlighted(code, language))),
    copyButton(`Copy ${label}`, () => code),
  );
}

/**
 * A request in every language, with tabs. The language chosen last is remembered.
 *
 * @param {import("../code/samples.js").CodeRequest} request
 * @param {import("./tabs.js").Tab[]} [more] tabs after the languages
 * @returns {HTMLElement}
 */
export function requestCode(request, more = []) {
  const tabs = samples(request).map(({ id, label, language, code }) => ({
    id,
    label,
    content: () => codeBlock(code, language, `${label} code`),
  }));
  return tabbed("Language", [...tabs, ...more], remembered(), remember);
}

/** @returns {string | undefined} */
function remembered() {
  try {
    return localStorage.getItem(KEY) ?? undefined;
  } catch {
    return undefined;
  }
}

/** @param {string} id */
function remember(id) {
  try {
    localStorage.setItem(KEY, id);
  } catch {
    // Then the first one is shown next time.
  }
}
