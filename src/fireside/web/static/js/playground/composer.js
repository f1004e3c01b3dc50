// @ts-check
/** `<fs-composer>`: where one writes, sends and stops, and how much of the context window that takes. */

import { preview } from "../api/client.js";
import { isAbort } from "../api/errors.js";
import { states } from "../api/states.js";
import { debounced, fill, h } from "../lib/dom.js";
import { count } from "../lib/format.js";
import { icon } from "../lib/icons.js";
import { playground } from "./controller.js";
import { requestBody } from "./request.js";

const PAUSE_MS = 300;
/** The API's code for a field that breaks the schema. */
const INVALID = 5006;
const HINTS = {
  chat: "Say something…",
  prompt: "Ask one question; what was said before is not sent…",
  raw: "Text for the model as it is, control tokens and all…",
};

class Composer extends HTMLElement {
  #area = h("textarea", { id: "message", rows: "1", dir: "auto", "aria-label": "Message", "aria-describedby": "context-use" });
  #send = h("button", { type: "button", class: "button primary send" });
  #use = h("span", { id: "context-use", class: "context-use" });
  #refusal = h("p", { class: "field-error composer-refusal", role: "alert" });
  #meter = h("span", { class: "context-meter", "aria-hidden": "true" }, h("span"), h("span"));
  /** @type {AbortController | null} */
  #counting = null;
  /** Of the request that was counted last. */
  #promptTokens = 0;
  #count = debounced(() => this.#countTokens(), PAUSE_MS);

  connectedCallback() {
    this.#area.addEventListener("input", () => this.#changed());
    this.#area.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#onKey(event));
    this.#send.addEventListener("click", () => (playground.running ? playground.stop() : this.#submit()));
    const code = async () => {
      const { openRequest } = await import("./request-dialog.js");
      const { length } = playground.current.turns;
      // With nothing written, the latest request says more than an empty one.
      const text = this.#area.value.trim() ? this.#area.value : undefined;
      openRequest(text === undefined && length ? { index: length - 1, lane: 0 } : { index: length, lane: 0, text: text ?? "" });
    };
    fill(
      this,
      this.#refusal,
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
    playground.addEventListener("answer", () => this.#follow());
    playground.addEventListener("refused", (event) => this.#refuse(/** @type {CustomEvent} */ (event).detail));
    playground.drafts.addEventListener("change", () => playground.drafts.problems.length || this.#refusal.replaceChildren());
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
    // Enter that ends a word in an input method sends nothing.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#submit();
  }

  #submit() {
    const text = this.#area.value;
    if (playground.running || !text.trim()) return;
    this.#refusal.replaceChildren();
    if (playground.send(text)) this.#area.value = "";
    this.#changed();
  }

  /**
   * Say why nothing was sent, and lead to the place where that can be fixed.
   *
   * @param {{text: string, name?: string}} why
   */
  #refuse({ text, name }) {
    const show = () => dispatchEvent(new CustomEvent("fs-show-parameter", { detail: name }));
    fill(this.#refusal, `${text} `, name && h("button", { type: "button", class: "button small", onclick: show }, `Show ${name}`));
  }

  /** Ask how long the prompt is of what is written, or being answered. With neither, what counts is what was said. */
  async #countTokens() {
    const { current, running } = playground;
    const model = states.get(current.lanes[0]?.model);
    if (!model) return;
    const text = this.#area.value;
    const used = current.turns.at(-1)?.answers[0]?.usage;
    if (!running && !text.trim() && used) return this.#show(used.total_tokens, 0, model.context_length);
    this.#counting?.abort();
    this.#counting = new AbortController();
    const { length } = current.turns;
    const asked = running ? requestBody(current, length - 1, 0) : requestBody(current, length, 0, { text: text || " " });
    const { lora: _, ...body } = asked;
    try {
      const seen = await preview(model.name, body, this.#counting.signal);
      playground.drafts.tellFromServer(new Map());
      this.#promptTokens = seen.tokens ?? 0;
      if (running) return this.#follow();
      const more = current.parameters.max_tokens ?? this.#default("max_tokens");
      this.#show(seen.tokens, more, model.context_length);
    } catch (error) {
      if (isAbort(error)) return undefined;
      playground.drafts.tellFromServer(complaints(/** @type {any} */ (error)));
      this.#show(null, 0, 0);
    }
    return undefined;
  }

  /** While it answers: a frame is a token, near enough, until the server tells. */
  #follow() {
    const { current } = playground;
    const model = states.get(current.lanes[0]?.model);
    const answer = current.turns.at(-1)?.answers[0];
    if (!model || !answer || !this.#promptTokens) return;
    this.#show(answer.usage?.total_tokens ?? this.#promptTokens + answer.pieces, 0, model.context_length);
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
    const room = over ? `: no room for ${count(more)} more (max_tokens)` : more ? `, ${count(more)} more at most` : " used";
    fill(this.#use, text + room);
    const [used, asked] = /** @type {HTMLElement[]} */ ([...this.#meter.children]);
    used.style.width = `${Math.min(100, (tokens / limit) * 100)}%`;
    asked.style.width = `${Math.min(100, (more / limit) * 100)}%`;
    this.#meter.classList.toggle("over", over);
    return undefined;
  }
}

/**
 * What the server says of single parameters: "tools.0.name: should be …; top_k: should be …".
 *
 * @param {import("../api/errors.js").ApiError} error
 * @returns {Map<string, string>}
 */
function complaints({ code, message }) {
  if (code !== INVALID) return new Map();
  const lines = message.split("; ").map((line) => /** @type {const} */ ([line.split(/[.:]/, 1)[0], line]));
  return new Map(lines.filter(([name]) => playground.isActive(name)));
}

customElements.define("fs-composer", Composer);
