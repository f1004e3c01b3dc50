/** The text of an answer: as Markdown when it can be, as it is while that loads, or when somebody wants to see it so. */

import { fill, h } from "../lib/dom.js";
import { display } from "./display.js";

/** @type {typeof import("./markdown.js") | null} */
let markdown = null;
/** @type {Promise<unknown> | null} */
let loading = null;

/** Drawing may take this share of the time: a long answer is drawn less often while it grows. */
const SHARE = 0.25;

export class TextView {
  element = h("div", { class: "answer-text", dir: "auto" });
  #shown = "";
  #kind = "";
  #next = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** Show the same text in the way that is wanted now. */
  redraw() {
    this.#draw(this.#shown);
  }

  /**
   * @param {string} text
   * @param {boolean} growing whether more will come
   */
  show(text, growing) {
    this.element.classList.toggle("growing", growing);
    clearTimeout(this.#timer);
    const wait = growing ? this.#next - performance.now() : 0;
    if (wait > 0) this.#timer = setTimeout(() => this.#draw(text), wait);
    else this.#draw(text);
  }

  /** @param {string} text */
  #draw(text) {
    const wanted = display.markdown && text !== "";
    if (wanted && !markdown) this.#load();
    const kind = wanted && markdown && text.length <= markdown.MAX_LENGTH ? "markdown" : "plain";
    if (text === this.#shown && kind === this.#kind) return;
    this.#shown = text;
    this.#kind = kind;
    const began = performance.now();
    this.element.classList.toggle("plain", kind === "plain");
    fill(this.element, kind === "markdown" ? /** @type {any} */ (markdown).rendered(text) : text);
    // The sanitiser drops what is nested too deeply.
    if (!this.element.textContent.trim()) fill(this.element, text);
    const now = performance.now();
    this.#next = now + (now - began) / SHARE;
  }

  #load() {
    loading ??= import("./markdown.js").then((module) => {
      markdown = module;
    });
    // Without it the text stays plain, which is no harm.
    loading.then(() => this.#draw(this.#shown), () => {});
  }
}
