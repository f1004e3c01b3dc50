// @ts-check
/** `<fs-turn>`: what somebody said, which can be changed, and the answers to it. */

import { fill, h } from "../lib/dom.js";
import { icon } from "../lib/icons.js";
import "./answer.js";
import { playground } from "./controller.js";
import { editor } from "./editor.js";

/** @typedef {import("./conversation.js").Turn} Turn */

class TurnView extends HTMLElement {
  /** @type {Turn | null} */
  #turn = null;
  #index = 0;
  /** @type {Turn[]} */
  #versions = [];
  #said = h("div", { class: "said" });
  #answers = h("div", { class: "answers" });
  /** @type {any[]} */
  #views = [];
  #drawn = "";

  /**
   * @param {Turn} turn
   * @param {number} index
   * @param {Turn[]} versions of it, itself among them
   */
  show(turn, index, versions) {
    this.#turn = turn;
    this.#index = index;
    this.#versions = versions;
    if (!this.firstChild) fill(this, this.#said, this.#answers);
    const key = JSON.stringify([turn.text, turn.results, playground.running, versions.indexOf(turn), versions.length]);
    if (key !== this.#drawn) this.#drawSaid();
    this.#drawn = key;
    this.#drawAnswers();
  }

  /** @param {number} lane */
  more(lane) {
    this.#views[lane]?.more();
  }

  #drawSaid() {
    const all = this.#versions;
    const turn = /** @type {Turn} */ (this.#turn);
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.getAttribute("aria-label");
    const had = this.#said.contains(document.activeElement);
    const edit = h(
      "button",
      { type: "button", class: "icon-button", "aria-label": "Edit this message", title: "Edit", disabled: playground.running, onclick: () => this.#edit() },
      icon("edit"),
    );
    fill(
      this.#said,
      h("h2", { class: "visually-hidden" }, turn.results.length ? "Results of tools" : "You"),
      turn.results.length ? results(turn) : h("div", { class: "bubble", dir: "auto" }, turn.text),
      h("div", { class: "said-actions" }, all.length > 1 && this.#switcher(all.indexOf(turn), all.length), !turn.results.length && edit),
    );
    if (had && focused) /** @type {HTMLElement | null} */ (this.#said.querySelector(`[aria-label="${focused}"]`))?.focus();
  }

  /**
   * @param {number} at
   * @param {number} count
   */
  #switcher(at, count) {
    const step = (/** @type {string} */ label, /** @type {string} */ sign, /** @type {number} */ by) =>
      h(
        "button",
        {
          type: "button",
          class: "icon-button",
          "aria-label": label,
          title: label,
          disabled: playground.running || at + by < 0 || at + by >= count,
          onclick: () => playground.turnTo(this.#index, by),
        },
        icon(sign),
      );
    return h(
      "div",
      { class: "versions", role: "group", "aria-label": "Versions" },
      step("Version before", "left", -1),
      h("span", { "aria-label": `Version ${at + 1} of ${count}`, role: "img" }, `${at + 1}/${count}`),
      step("Next version", "right", 1),
    );
  }

  #edit() {
    const { text } = /** @type {Turn} */ (this.#turn);
    const back = () => {
      this.#drawSaid();
      /** @type {HTMLElement | null} */ (this.#said.querySelector("button"))?.focus();
    };
    fill(this.#said, editor("Edit this message", text, "Send", (now) => playground.edit(this.#index, now), back));
    this.#said.querySelector("textarea")?.focus();
  }

  #drawAnswers() {
    const turn = /** @type {Turn} */ (this.#turn);
    const { lanes, turns } = playground.current;
    this.#answers.classList.toggle("two", lanes.length > 1);
    lanes.forEach((_, number) => {
      this.#views[number] ??= h("fs-answer");
      this.#views[number].show({ turn, index: this.#index, lane: number, last: this.#index === turns.length - 1, alone: lanes.length === 1 });
    });
    this.#views.length = lanes.length;
    fill(this.#answers, ...this.#views);
  }
}

/** @param {Turn} turn */
const results = (turn) =>
  h(
    "div",
    { class: "bubble results" },
    ...turn.results.map(({ name, content }) => h("div", {}, h("p", {}, "Result of ", h("code", {}, name)), h("div", { dir: "auto" }, content))),
  );

customElements.define("fs-turn", TurnView);
