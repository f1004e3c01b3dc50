// @ts-check
/** `<fs-copy>`: a button that copies a text. */

import { announce } from "./announce.js";
import { fill, h } from "./dom.js";
import { icon } from "./icons.js";

const SHOWN_MS = 1600;

export class CopyButton extends HTMLElement {
  /** @type {() => string} what to copy, asked for at the click */
  text = () => "";

  connectedCallback() {
    if (this.firstChild) return;
    const button = h(
      "button",
      { type: "button", class: "icon-button", "aria-label": this.getAttribute("label") ?? "Copy" },
      icon("copy"),
    );
    button.addEventListener("click", async () => {
      const done = await copy(this.text());
      announce(done ? "Copied." : "The browser does not let this page copy. Select the text instead.");
      fill(button, icon(done ? "check" : "alert"));
      setTimeout(() => fill(button, icon("copy")), SHOWN_MS);
    });
    this.append(button);
  }
}

/**
 * @param {string} text
 * @returns {Promise<boolean>} whether it worked
 */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyOldWay(text);
  }
}

/** Over plain HTTP from another machine a page has no clipboard of its own: select, and copy the selection. */
function copyOldWay(/** @type {string} */ text) {
  const area = h("textarea", { class: "visually-hidden", ".value": text });
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

/**
 * @param {string} label
 * @param {() => string} text
 * @returns {HTMLElement}
 */
export function copyButton(label, text) {
  return h("fs-copy", { label, ".text": text });
}

customElements.define("fs-copy", CopyButton);
