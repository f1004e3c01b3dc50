// @ts-check
/** `<fs-chat>`: the turns of the conversation, and what there is to see before the first. */

import { states } from "../api/states.js";
import { announce } from "../lib/announce.js";
import { fill, h } from "../lib/dom.js";
import { shortName } from "../lib/format.js";
import "../parts/model-state.js";
import { playground } from "./controller.js";
import { childrenIn } from "./tree.js";
import "./turn.js";

/** Questions that the small default model, too, answers right nearly always, at the API's temperature: of 30 seeds each,
 * its first sentence was right in 30, 30, 28 and 27. Of what it makes up by itself (tips, stories), half is nonsense. */
const IDEAS = ["What is photosynthesis?", "What is the water cycle?", "What is gravity?", "What is an ecosystem?"];
const NEAR_END = 120;
const SPOKEN_LENGTH = 400;

class Chat extends HTMLElement {
  /** @type {Map<string, any>} views by turn id */
  #views = new Map();
  #atEnd = true;
  /** Id of the last turn that is shown. */
  #shown = "";
  #turns = h("div", { class: "turns" });
  #ideas = h("div", { class: "welcome" });
  #state = h("fs-model-state");

  connectedCallback() {
    fill(this, h("div", { class: "skeleton chat-skeleton", "aria-hidden": "true" }, h("div"), h("div"), h("div")));
    playground.addEventListener("turns", () => this.#draw());
    playground.addEventListener("settings", () => this.#welcome());
    playground.addEventListener("running", () => this.#drawRunning());
    playground.addEventListener("answer", (event) => this.#more(/** @type {CustomEvent} */ (event).detail));
    states.addEventListener("change", () => this.#welcome());
    this.addEventListener("scroll", () => (this.#atEnd = this.scrollHeight - this.scrollTop - this.clientHeight < NEAR_END));
    new ResizeObserver(() => this.#follow()).observe(this.#turns);
  }

  /** Stay at the end while an answer grows. Whoever has scrolled up is reading. */
  #follow() {
    const grows = this.querySelector(".answer-text:is(.growing, [aria-busy='true'])");
    if (this.#atEnd && grows) this.scrollTop = this.scrollHeight;
  }

  #draw() {
    if (!this.contains(this.#turns)) fill(this, this.#ideas, this.#turns);
    const { turns } = playground.current;
    const shown = turns.at(-1)?.id ?? "";
    const moved = shown !== this.#shown;
    this.#shown = shown;
    const ids = new Set(turns.map((turn) => turn.id));
    for (const [id, view] of this.#views) {
      if (ids.has(id)) continue;
      view.remove();
      this.#views.delete(id);
    }
    const children = childrenIn(playground.current.tree);
    turns.forEach((turn, index) => {
      const view = this.#views.get(turn.id) ?? h("fs-turn");
      this.#views.set(turn.id, view);
      view.show(turn, index, children.get(turn.parent) ?? []);
      if (this.#turns.children[index] !== view) this.#turns.insertBefore(view, this.#turns.children[index] ?? null);
    });
    this.#welcome();
    if (!moved) return;
    this.#atEnd = true;
    this.scrollTop = this.scrollHeight;
  }

  #drawRunning() {
    this.#draw();
    if (playground.running) announce("Answering.");
    else this.#speak();
  }

  /** @param {{turn: string, lane: number}} detail */
  #more({ turn, lane }) {
    this.#views.get(turn)?.more(lane);
  }

  /** Once, at the end: a live region that grows with each token is read over and over. */
  #speak() {
    const answers = playground.current.turns.at(-1)?.answers ?? [];
    const said = answers.map((answer) => {
      if (!answer) return "";
      if (answer.state === "failed") return `Failed: ${answer.error?.message}`;
      const text = answer.text.length > SPOKEN_LENGTH ? `${answer.text.slice(0, SPOKEN_LENGTH)}…` : answer.text;
      const how = answer.state === "stopped" ? "Stopped" : answer.finish === "length" ? "Cut off" : "Answer";
      return `${how}: ${text}`;
    });
    announce(said.join(" "));
  }

  #welcome() {
    this.#ideas.hidden = playground.current.turns.length > 0;
    const model = states.get(playground.current.lanes[0]?.model ?? "");
    if (this.#ideas.hidden || !model) return;
    if (this.#ideas.dataset.model !== model.name) {
      this.#ideas.dataset.model = model.name;
      fill(
        this.#ideas,
        h("h2", {}, `Ask ${shortName(model.name)}`),
        h("p", { class: "lead", dir: "auto" }, model.description),
        h(
          "div",
          { class: "ideas" },
          ...IDEAS.map((idea) =>
            h("button", { type: "button", class: "idea", onclick: () => playground.send(idea) }, idea),
          ),
        ),
        this.#state,
      );
    }
    this.#state.model = model;
  }
}

customElements.define("fs-chat", Chat);
