// @ts-check
/** The text of an answer: as Markdown when it can be, as it is while that loads, or when somebody wants to see it so. */

import { fill, h } from "../lib/dom.js";
import { display } from "../playground/display.js";

/** @type {Promise<{parse: typeof import("./parsing.js").parse, safe: typeof import("./sanitiser.js").safe}> | null} */
let loading = null;

/** Drawing may take this share of the time: a long answer is drawn less often while it grows. */
const SHARE = 0.25;

export class TextView {
  element = h("div", { class: "answer-text", dir: "auto" });
  #text = "";
  #growing = false;
  /** What is shown as Markdown: HTML and nodes of each block; null where the text is shown as it is. */
  #blocks = /** @type {{html: string, nodes: ChildNode[]}[] | null} */ (null);
  /** The text that is on show, in its way. */
  #shown = "";
  #busy = false;
  /** The text was too much for Markdown once: it is tried again at its end only. */
  #tooMuch = false;
  #wake = () => {};

  /** Show the same text in the way that is wanted now. */
  redraw() {
    this.#shown = "";
    this.#tooMuch = false;
    this.#draw();
  }

  /**
   * @param {string} text
   * @param {boolean} growing whether more will come
   */
  show(text, growing) {
    this.element.classList.toggle("growing", growing);
    if (this.#growing && !growing) this.#tooMuch = false;
    if (!text.startsWith(this.#text)) this.#tooMuch = false;
    this.#text = text;
    this.#growing = growing;
    this.#draw();
    if (!growing) this.#wake();
  }

  #draw() {
    const text = this.#text;
    if (!display.markdown || text === "" || this.#tooMuch) return this.#asItIs(text);
    if (text === this.#shown && this.#blocks) return undefined;
    if (!this.#blocks) this.#asItIs(text);
    if (!this.#busy) this.#asMarkdown();
    return undefined;
  }

  /** @param {string} text */
  #asItIs(text) {
    if (text === this.#shown && !this.#blocks) return;
    this.#blocks = null;
    this.#shown = text;
    this.element.classList.add("plain");
    fill(this.element, text);
  }

  async #asMarkdown() {
    this.#setBusy(true);
    try {
      loading ??= Promise.all([import("./parsing.js"), import("./sanitiser.js")]).then(([{ parse }, { safe }]) => ({ parse, safe }));
      const { parse, safe } = await loading;
      while (display.markdown && !this.#tooMuch && (this.#shown !== this.#text || !this.#blocks) && this.#text) {
        const text = this.#text;
        const began = performance.now();
        const html = await parse(text);
        if (!text || !this.#text.startsWith(text)) continue;
        if (!html) {
          this.#tooMuch = true;
        } else {
          this.#put(html, safe);
          this.#shown = text;
        }
        if (this.#growing) await this.#rest((performance.now() - began) / SHARE);
      }
    } catch {
      // Without it the text stays as it is, which does no harm.
      this.#tooMuch = true;
    }
    this.#setBusy(false);
    if (!display.markdown || this.#tooMuch) this.#asItIs(this.#text);
  }

  /** @param {boolean} busy */
  #setBusy(busy) {
    this.#busy = busy;
    this.element.setAttribute("aria-busy", String(busy));
  }

  /**
   * Wait, but not beyond the answer's end.
   *
   * @param {number} milliseconds
   * @returns {Promise<void>}
   */
  #rest(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => (clearTimeout(timer), resolve());
    });
  }

  /**
   * Blocks that stayed the same keep their nodes: what one has selected stays selected while the answer grows.
   *
   * @param {string[]} html
   * @param {(html: string) => ChildNode[]} safe
   */
  #put(html, safe) {
    const old = this.#blocks ?? [];
    const next = html.map((one, index) => (old[index]?.html === one ? old[index] : { html: one, nodes: safe(one) }));
    if (!this.#blocks) fill(this.element);
    this.#blocks = next;
    const nodes = next.flatMap((block) => block.nodes);
    const { childNodes } = this.element;
    nodes.forEach((node, index) => {
      if (childNodes[index] !== node) this.element.insertBefore(node, childNodes[index] ?? null);
    });
    while (childNodes.length > nodes.length) this.element.lastChild?.remove();
    this.element.classList.remove("plain");
    // The sanitiser drops what it cannot make safe; nothing at all is never what was said.
    if (!this.element.textContent.trim()) this.#tooMuch = true;
  }
}
