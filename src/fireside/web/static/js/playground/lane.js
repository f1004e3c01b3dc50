// @ts-check
/** `<fs-lane>`: one that answers: a model, and a fine-tune if the model takes any. */

import { byPlace } from "../api/groups.js";
import { states } from "../api/states.js";
import { fill, freshId, h } from "../lib/dom.js";
import { icon } from "../lib/icons.js";
import { shortName } from "../lib/format.js";
import { modelPath } from "../parts/facts.js";
import "../parts/model-state.js";
import { playground } from "./controller.js";

/** @typedef {import("./conversation.js").Lane} Lane */

class LaneView extends HTMLElement {
  #index = 0;
  #model = h("select", { id: freshId() });
  #modelLabel = h("label", { for: this.#model.id });
  #tune = h("select", { id: freshId() });
  #tuneLabel = h("label", { for: this.#tune.id });
  #state = h("fs-model-state");
  #about = h("a", { class: "small-link" }, "About this model");
  #manage = h("button", { type: "button", class: "button small", onclick: () => this.#openFineTunes() }, icon("upload"), "Fine-tunes…");
  #seen = "";

  connectedCallback() {
    if (this.firstChild) return;
    this.#model.addEventListener("change", () => playground.setLane(this.#index, { model: this.#model.value, lora: "" }));
    this.#tune.addEventListener("change", () => playground.setLane(this.#index, { lora: this.#tune.value }));
    fill(
      this,
      h("div", { class: "field" }, h("div", { class: "label-line" }, this.#modelLabel, this.#about), this.#model),
      this.#state,
      h("div", { class: "field" }, this.#tuneLabel, h("div", { class: "select-line" }, this.#tune, this.#manage)),
    );
  }

  /**
   * @param {Lane} lane
   * @param {number} index
   * @param {number} lanes
   */
  show(lane, index, lanes) {
    this.#index = index;
    const model = states.get(lane.model);
    const tunes = playground.fineTunes.filter((tune) => tune.model === lane.model);
    const groups = byPlace(states.models);
    const key = JSON.stringify([lane, index, lanes, groups.map(({ models }) => models.map((one) => one.name)), model?.lora, tunes]);
    if (model) this.#state.model = model;
    if (key === this.#seen) return;
    this.#seen = key;
    const which = lanes > 1 ? ` ${index + 1}` : "";
    this.#modelLabel.textContent = `Model${which}`;
    this.#tuneLabel.textContent = `Fine-tune${which}`;
    this.#about.href = modelPath(lane.model);
    this.#about.setAttribute("aria-label", `About this model, ${shortName(lane.model)}`);
    const known = groups.map(({ title, models }) =>
      h("optgroup", { label: title }, models.map((one) => h("option", { value: one.name }, shortName(one.name)))),
    );
    const listed = states.models.some((one) => one.name === lane.model);
    const gone = !listed && h("option", { value: lane.model }, model ? lane.model : `${lane.model} (not on this server)`);
    fill(this.#model, known, gone);
    this.#model.value = lane.model;
    this.#drawTunes(lane, tunes, model?.lora === true);
  }

  /**
   * @param {Lane} lane
   * @param {import("../api/client.js").FineTune[]} tunes
   * @param {boolean} takes
   */
  #drawTunes(lane, tunes, takes) {
    this.#tune.disabled = this.#manage.disabled = !takes;
    const options = tunes.map((tune) =>
      h("option", { value: tune.name, disabled: tune.status !== "ready" }, tune.status === "ready" ? tune.name : `${tune.name} (${tune.status})`),
    );
    const gone = lane.lora && !tunes.some((tune) => tune.name === lane.lora);
    fill(
      this.#tune,
      h("option", { value: "" }, takes ? "None" : "Not taken by this model"),
      options,
      gone && h("option", { value: lane.lora }, lane.lora),
    );
    this.#tune.value = lane.lora;
  }

  async #openFineTunes() {
    const { openFineTunes } = await import("./finetune-dialog.js");
    openFineTunes(this.#index);
  }
}

customElements.define("fs-lane", LaneView);
