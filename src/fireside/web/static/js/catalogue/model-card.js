// @ts-check
/** `<fs-model-card>`: one model of the catalogue. */

import { copyButton } from "../lib/copy-button.js";
import { fill, h } from "../lib/dom.js";
import { author, shortName } from "../lib/format.js";
import { icon } from "../lib/icons.js";
import { badges, modelPath, playgroundPath } from "../parts/facts.js";
import "../parts/model-state.js";

class ModelCard extends HTMLElement {
  #state = h("fs-model-state");

  /** @param {import("../api/client.js").Model} model */
  set model(model) {
    this.#state.model = model;
    if (this.firstChild) return;
    const name = shortName(model.name);
    this.className = "card";
    fill(
      this,
      h("p", { class: "eyebrow" }, author(model.name)),
      h("h3", {}, h("a", { href: modelPath(model.name) }, name)),
      h(
        "p",
        { class: "model-id" },
        h("code", {}, model.name),
        copyButton(`Copy the id of ${name}`, () => model.name),
      ),
      h("p", { class: "card-text", dir: "auto" }, model.description),
      badges(model),
      h("div", { class: "card-foot" }, this.#state, h(
        "a",
        { class: "button primary", href: playgroundPath(model.name), "aria-label": `Playground with ${name}` },
        "Playground",
        icon("arrow"),
      )),
    );
  }
}

customElements.define("fs-model-card", ModelCard);
