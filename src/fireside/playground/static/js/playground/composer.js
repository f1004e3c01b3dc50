/** `<fs-composer>`: where one writes, sends and stops, and how much of the context window that takes. */

import { preview } from "../api/client.js";
import { isAbort } from "../api/errors.js";
import { states } from "../api/states.js";
import { debounced, fill, h } from "../lib/dom.js";
import { count } from "../lib/format.js";
import { icon } from "../lib/icons.js";
import { playground } from "./controller.js";
import { requestBody } from "./conversation.js";

const PAUSE_MS = 300;
const HINTS = {
  chat: "Say something…",
  prompt: "Ask one question; what was said before is not sent…",
  raw: "Text for the model as it is, control tokens and all…",
};

class Composer extends HTMLElement {
  #area = h("textarea", { id: "message", rows: "1", dir: "auto", "aria-label": "Message", "aria-describedby": "context-use" });
  #send = h("button", { type: "button", class: "button primary send" });
  #use = h("span", { id: "context-use", class: "context-use" });
  #meter = h("span", { class: "context-meter", "aria-hidden": "true" }, h("span"), h("span"));
  /** @type {AbortController | null} */
  #counting = null;
  #count = debounced(() => this.#countTokens(), PAUSE_MS);

  connectedCallback() {
    this.#area.addEventListener("input", () => this.#changed());
    this.#area.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#onKey(event));
    this.#send.addEventListener("click", () => (playground.running ? playground.stop() : this.#submit()));
    const code = async () => {
      const { openRequest } = await import("./request-dialog.js");
      openRequest({ index: playground.current.turns.length, lane: 0, text: this.#area.value });
    };
    fill(
      this,
      h("div", { class: "composer-box" }, this.#area, this.#send),
      h(
        "div",
        { class: "composer-foot" },
        this.#meter,
        this.#use,
        h("button", { type: "button", class: "button small plain", onclick: code }, icon("code"), "View code"),
      ),
    );
    for (const name of ["settings", "turns", "open"]) playground.addEventListener(name, () => this.#draw());
    playground.addEventListener("running", () => this.#draw());
    states.addEventListener("change", () => this.#count());
    this.#draw();
  }

  #draw() {
    const { mode } = playground.current;
    this.#area.placeholder = HINTS[mode];
    this.#area.classList.toggle("code", mode === "raw");
    const { running } = playground;
    this.#send.classList.toggle("stops", running);
    fill(this.#send, icon(running ? "stop" : "send"), h("span", {}, running ? "Stop" : "Send"));
    this.#changed();
  }

  #changed() {
    // As tall as its text; the style sheet has the most.
    this.#area.style.height = "auto";
    this.#area.style.height = `${this.#area.scrollHeight + 2}px`;
    this.#send.disabled = !playground.running && !this.#area.value.trim();
    this.#count();
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.key === "Escape" && playground.running) playground.stop();
    // Enter that ends a word in an input method sends nothing.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#submit();
  }

  #submit() {
    const text = this.#area.value;
    if (playground.running || !text.trim()) return;
    this.#area.value = "";
    playground.send(text);
  }

  async #countTokens() {
    const { current } = playground;
    const lane = current.lanes[0];
    const model = lane && states.get(lane.model);
    if (!model || playground.running) return;
    this.#counting?.abort();
    this.#counting = new AbortController();
    const text = this.#area.value;
    const index = current.turns.length;
    // With nothing written yet, what counts is what was said.
    const body = text.trim() || !index ? requestBody(current, index, 0, { text: text || " " }) : requestBody(current, index - 1, 0);
    try {
      const seen = await preview(model.name, { ...body, lora: undefined }, this.#counting.signal);
      this.#show(seen.tokens, current.parameters.max_tokens ?? this.#default("max_tokens"), model.context_length);
    } catch (error) {
      if (!isAbort(error)) this.#show(null, 0, 0);
    }
  }

  /** @param {string} name */
  #default(name) {
    return playground.parameters.find((parameter) => parameter.name === name)?.default ?? 0;
  }

  /**
   * @param {number | null} tokens
   * @param {number} more
   * @param {number} limit
   */
  #show(tokens, more, limit) {
    const known = tokens !== null;
    this.#meter.hidden = !known;
    if (!known) return fill(this.#use);
    const over = tokens + more > limit;
    this.#use.classList.toggle("over", over);
    const text = `${count(tokens)} of ${count(limit)} tokens`;
    fill(this.#use, over ? `${text}: no room for ${count(more)} more (max_tokens)` : `${text}, ${count(more)} more at most`);
    const [used, asked] = /** @type {HTMLElement[]} */ ([...this.#meter.children]);
    used.style.width = `${Math.min(100, (tokens / limit) * 100)}%`;
    asked.style.width = `${Math.min(100, (more / limit) * 100)}%`;
    this.#meter.classList.toggle("over", over);
    return undefined;
  }
}

customElements.define("fs-composer", Composer);
