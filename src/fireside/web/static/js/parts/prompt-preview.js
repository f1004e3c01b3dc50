// @ts-check
/** `<fs-prompt-preview>`: the exact text a model will read, with its control tokens marked, as one types. */

import { preview } from "../api/client.js";
import { isAbort } from "../api/errors.js";
import { debounced, fill, h } from "../lib/dom.js";
import { count, plural } from "../lib/format.js";

const PAUSE_MS = 180;

class PromptPreview extends HTMLElement {
  #text = h("pre", { class: "prompt-text", tabindex: "0", role: "region", "aria-label": "What the model reads", dir: "auto" });
  #summary = h("p", { class: "prompt-summary" });
  /** @type {AbortController | null} */
  #asking = null;
  #ask = debounced((/** @type {string} */ model, /** @type {any} */ body, /** @type {number} */ limit) => {
    this.#show(model, body, limit);
  }, PAUSE_MS);

  connectedCallback() {
    if (!this.firstChild) fill(this, this.#summary, this.#text);
  }

  disconnectedCallback() {
    this.#asking?.abort();
  }

  /**
   * Show another request; soon, not at once.
   *
   * @param {string} model
   * @param {Record<string, any>} body
   * @param {number} limit the context window, in tokens
   */
  update(model, body, limit) {
    this.#ask(model, body, limit);
  }

  /**
   * @param {string} model
   * @param {Record<string, any>} body
   * @param {number} limit
   */
  async #show(model, body, limit) {
    this.#asking?.abort();
    const asking = new AbortController();
    this.#asking = asking;
    try {
      const { pieces, tokens } = await preview(model, body, asking.signal);
      fill(this.#text, ...pieces.map(mark));
      this.#summary.textContent =
        tokens === null
          ? "The tokens are counted once the model is on this machine; its tokenizer may add a first one."
          : `${plural(tokens, "token")} of ${count(limit)}`;
    } catch (error) {
      if (isAbort(error)) return;
      fill(this.#text);
      this.#summary.textContent = /** @type {Error} */ (error).message;
    }
  }
}

/** @param {{text: string, control: boolean}} piece */
function mark({ text, control }) {
  return control ? h("mark", { class: "control-token", title: "One control token" }, text) : h("span", {}, text);
}

customElements.define("fs-prompt-preview", PromptPreview);
