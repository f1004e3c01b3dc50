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
  #said = h("div", { class: "said" });
  #answers = h("div", { class: "answers" });
  /** @type {any[]} */
  #views = [];
  #drawn = "";

  /**
   * @param {Turn} turn
   * @param {number} index
   */
  show(turn, index) {
    this.#turn = turn;
    this.#index = index;
    if (!this.firstChild) fill(this, this.#said, this.#answers);
    const key = JSON.stringify([turn.text, playground.running]);
    if (key !== this.#drawn) this.#drawSaid();
    this.#drawn = key;
    this.#drawAnswers();
  }

  /** @param {number} lane */
  more(lane) {
    this.#views[lane]?.more();
  }

  #drawSaid() {
    const { text } = /** @type {Turn} */ (this.#turn);
    const edit = h(
      "button",
      { type: "button", class: "icon-button", "aria-label": "Edit this message", title: "Edit", disabled: playground.running, onclick: () => this.#edit() },
      icon("edit"),
    );
    fill(
      this.#said,
      h("h2", { class: "visually-hidden" }, "You"),
      h("div", { class: "bubble", dir: "auto" }, text),
      edit,
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
    lanes.forEach((lane, number) => {
      this.#views[number] ??= h("fs-answer");
      this.#views[number].show({ turn, index: this.#index, lane: number, last: this.#index === turns.length - 1, alone: lanes.length === 1 });
    });
    this.#views.length = lanes.length;
    fill(this.#answers, ...this.#views);
  }
}

customElements.define("fs-turn", TurnView);
