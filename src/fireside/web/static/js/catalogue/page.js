// @ts-check
/** The front page: every model of this server, and what it is doing. */

import "../lib/theme-toggle.js";
import "../parts/server-facts.js";
import { states } from "../api/states.js";
import { fill, h } from "../lib/dom.js";
import { problem } from "../parts/problem.js";
import "./model-card.js";

class Catalogue extends HTMLElement {
  /** @type {Map<string, any>} cards by model id; they stay, so that the focus does, too */
  #cards = new Map();
  #list = h("div", { class: "cards", role: "list" });
  #notice = h("div");

  connectedCallback() {
    fill(this, this.#notice, h("div", { class: "cards", "aria-hidden": "true" }, ...[1, 2, 3, 4].map(skeleton)));
    states.addEventListener("change", () => this.#draw());
    states.addEventListener("error", () => this.#fail());
    states.start();
  }

  #draw() {
    fill(this.#notice);
    if (!this.contains(this.#list)) fill(this, this.#notice, this.#list);
    const names = new Set(states.models.map((model) => model.name));
    for (const [name, card] of this.#cards) {
      if (!names.has(name)) card.remove();
    }
    for (const model of [...states.models].sort(byUse)) {
      const card = this.#cards.get(model.name) ?? h("fs-model-card", { role: "listitem" });
      card.model = model;
      this.#cards.set(model.name, card);
      if (!card.isConnected) this.#list.append(card);
    }
  }

  #fail() {
    const error = /** @type {Error} */ (states.error);
    fill(this.#notice, problem(error, [{ label: "Try again", run: () => states.refresh() }]));
    if (!states.loaded) fill(this, this.#notice);
  }
}

/**
 * The server's default model first, then what is here, then the rest.
 *
 * @param {import("../api/client.js").Model} a
 * @param {import("../api/client.js").Model} b
 */
function byUse(a, b) {
  const rank = (/** @type {import("../api/client.js").Model} */ model) =>
    model.name === states.server.default_model ? 0 : ["not-downloaded", "downloading"].includes(model.state) ? 2 : 1;
  return rank(a) - rank(b) || a.name.localeCompare(b.name);
}

const skeleton = () =>
  h("div", { class: "card skeleton" }, h("div"), h("div", { class: "skeleton-title" }), h("div"), h("div"));

customElements.define("fs-catalogue", Catalogue);
