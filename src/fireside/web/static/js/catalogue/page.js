// @ts-check
/** The front page: every model of this server, and what it is doing. */

import "../lib/theme-toggle.js";
import "../parts/server-facts.js";
import { byPlace } from "../api/groups.js";
import { states } from "../api/states.js";
import { fill, h } from "../lib/dom.js";
import { problem } from "../parts/problem.js";
import "./model-card.js";

class Catalogue extends HTMLElement {
  /** @type {Map<string, any>} cards by model id; they stay, so that the focus does, too */
  #cards = new Map();
  /** @type {Map<string, {box: HTMLElement, list: HTMLElement}>} the lists of the groups, by their keys */
  #groups = new Map();
  #lists = h("div");
  #notice = h("div");

  connectedCallback() {
    fill(this, this.#notice, h("div", { class: "cards", "aria-hidden": "true" }, ...[1, 2, 3, 4].map(skeleton)));
    states.addEventListener("change", () => this.#draw());
    states.addEventListener("error", () => this.#fail());
    states.start();
  }

  #draw() {
    fill(this.#notice);
    if (!this.contains(this.#lists)) fill(this, this.#notice, this.#lists);
    const names = new Set(states.models.map((model) => model.name));
    for (const [name, card] of this.#cards) {
      if (!names.has(name)) card.remove();
    }
    const groups = byPlace([...states.models].sort(byUse));
    for (const [key, { box }] of this.#groups) box.hidden = !groups.some((group) => group.key === key);
    for (const { key, title, models } of groups) {
      const list = this.#group(key, title);
      for (const model of models) {
        const card = this.#cards.get(model.name) ?? h("fs-model-card", { role: "listitem" });
        card.model = model;
        this.#cards.set(model.name, card);
        if (card.parentElement !== list) list.append(card);
      }
    }
  }

  /**
   * The group's list, made where it is not there yet. What cannot run is folded away.
   *
   * @param {string} key
   * @param {string} title
   */
  #group(key, title) {
    const known = this.#groups.get(key);
    if (known) return known.list;
    const list = h("div", { class: "cards", role: "list", "aria-label": title });
    const heading = h("h2", { class: "group-title" }, title);
    const box =
      key === "gone"
        ? h("details", { class: "group" }, h("summary", {}, heading), list)
        : h("section", { class: "group" }, heading, list);
    this.#groups.set(key, { box, list });
    const order = ["here", "fetch", "gone"];
    const later = order.slice(order.indexOf(key) + 1).map((other) => this.#groups.get(other)?.box).find(Boolean);
    this.#lists.insertBefore(box, later ?? null);
    return list;
  }

  #fail() {
    const error = /** @type {Error} */ (states.error);
    fill(this.#notice, problem(error, [{ label: "Try again", run: () => states.refresh() }]));
    if (!states.loaded) fill(this, this.#notice);
  }
}

/**
 * The server's default model first, then by name.
 *
 * @param {import("../api/client.js").Model} a
 * @param {import("../api/client.js").Model} b
 */
function byUse(a, b) {
  const rank = (/** @type {import("../api/client.js").Model} */ model) => (model.name === states.server.default_model ? 0 : 1);
  return rank(a) - rank(b) || a.name.localeCompare(b.name);
}

const skeleton = () =>
  h("div", { class: "card skeleton" }, h("div"), h("div", { class: "skeleton-title" }), h("div"), h("div"));

customElements.define("fs-catalogue", Catalogue);
