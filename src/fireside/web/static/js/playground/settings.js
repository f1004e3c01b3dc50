// @ts-check
/** `<fs-settings>`: which models answer, how the prompt is made, and every parameter. */

import { states } from "../api/states.js";
import { fill, freshId, h } from "../lib/dom.js";
import { playground } from "./controller.js";
import { display } from "./display.js";
import { openDrawer } from "./drawer.js";
import "./lane.js";
import "./parameter-control.js";
import "./presets.js";

const MODES = [
  { mode: "chat", label: "Chat", hint: "Scoped: messages with roles, in the model’s own template." },
  { mode: "prompt", label: "Prompt", hint: "Unscoped: one question, made a user turn after the model’s default system message." },
  { mode: "raw", label: "Raw", hint: "No template: the text as it is, control tokens and all." },
];
/** These have a place of their own. */
const ELSEWHERE = ["raw", "lora"];

class Settings extends HTMLElement {
  #lanes = h("div", { class: "lanes" });
  #compare = h("input", { type: "checkbox", role: "switch", id: freshId() });
  #system = h("textarea", { id: freshId(), rows: "3", dir: "auto" });
  #systemField = h("div", { class: "field" }, h("label", { for: this.#system.id }, "System message"), this.#system);
  #modeHint = h("p", { class: "hint" });
  #parameters = h("div", { class: "parameters" });
  #advanced = h("div", { class: "parameters" });
  /** @type {Map<string, any>} */
  #controls = new Map();
  /** @type {HTMLInputElement[]} */
  #modes = [];

  connectedCallback() {
    this.#compare.addEventListener("change", () => playground.compare(this.#compare.checked));
    this.#system.addEventListener("input", () => playground.set({ system: this.#system.value }));
    const name = freshId();
    this.#modes = MODES.map(({ mode }) =>
      h("input", { type: "radio", name, value: mode, onchange: () => playground.set({ mode: /** @type {any} */ (mode) }) }),
    );
    const markdown = h("input", { type: "checkbox", role: "switch", id: freshId(), ".checked": display.markdown });
    markdown.addEventListener("change", () => (display.markdown = markdown.checked));
    fill(
      this,
      h("h2", { class: "panel-title" }, "Models"),
      this.#lanes,
      h("div", { class: "switch" }, h("label", { for: this.#compare.id }, "Two side by side"), this.#compare),
      h(
        "fieldset",
        { class: "modes" },
        h("legend", {}, "Kind of prompt"),
        h("div", {}, ...MODES.map(({ label }, index) => h("label", {}, this.#modes[index], h("span", {}, label)))),
        this.#modeHint,
      ),
      this.#systemField,
      h("h2", { class: "panel-title" }, "Parameters"),
      h("fs-presets"),
      this.#parameters,
      h("details", { class: "advanced" }, h("summary", {}, "More parameters"), this.#advanced),
      h("h2", { class: "panel-title" }, "Display"),
      h("div", { class: "switch" }, h("label", { for: markdown.id }, "Answers as Markdown"), markdown),
      h("p", { class: "hint" }, h("a", { href: "/docs" }, "API reference")),
    );
    for (const event of ["settings", "open", "finetunes"]) playground.addEventListener(event, () => this.#draw());
    states.addEventListener("change", () => this.#drawLanes());
    addEventListener("fs-show-parameter", (event) => this.#show(/** @type {CustomEvent} */ (event).detail));
  }

  /** @param {string} name of the parameter to lead to */
  #show(name) {
    const control = this.#controls.get(name);
    openDrawer("settings");
    control?.closest("details")?.setAttribute("open", "");
    control?.focus();
  }

  #draw() {
    const { mode, system, lanes } = playground.current;
    this.#compare.checked = lanes.length > 1;
    for (const input of this.#modes) input.checked = input.value === mode;
    this.#modeHint.textContent = MODES.find((one) => one.mode === mode)?.hint ?? "";
    this.#systemField.hidden = mode !== "chat";
    if (this.#system !== document.activeElement) this.#system.value = system;
    this.#system.placeholder = states.get(lanes[0]?.model)?.default_system ?? "None";
    this.#drawLanes();
    this.#drawParameters();
  }

  #drawLanes() {
    const { lanes } = playground.current;
    while (this.#lanes.children.length > lanes.length) this.#lanes.lastElementChild?.remove();
    lanes.forEach((lane, index) => {
      if (!this.#lanes.children[index]) this.#lanes.append(h("fs-lane"));
      /** @type {any} */ (this.#lanes.children[index]).show(lane, index, lanes.length);
    });
  }

  #drawParameters() {
    const { mode, parameters, lanes } = playground.current;
    const form = mode === "chat" ? "messages" : "prompt";
    const limit = states.get(lanes[0]?.model)?.context_length ?? 0;
    for (const parameter of playground.parameters) {
      if (ELSEWHERE.includes(parameter.name)) continue;
      let control = this.#controls.get(parameter.name);
      if (!control) {
        control = h("fs-parameter");
        this.#controls.set(parameter.name, control);
        (parameter.type === "json" ? this.#advanced : this.#parameters).append(control);
      }
      control.show(parameter, parameters[parameter.name], limit);
      control.hidden = !parameter.forms.includes(form);
    }
  }
}

customElements.define("fs-settings", Settings);
