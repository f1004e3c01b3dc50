// @ts-check
/** `<fs-parameter>`: one parameter, with the bounds that the API checks. Unset, the server's default holds. */

import { meaning } from "../code/meanings.js";
import { bounds } from "../code/schema.js";
import { fill, freshId, h } from "../lib/dom.js";
import { icon } from "../lib/icons.js";
import { playground } from "./controller.js";

/** @typedef {import("../code/schema.js").Parameter} Parameter */

/** Where a slider stands while its parameter is not set and has no default: where it changes nothing. */
const NEUTRAL = /** @type {Record<string, number>} */ ({ top_p: 1, top_k: 50, repetition_penalty: 1 });
const MAX_SEED = 2 ** 31 - 1;
/** A slider over more than this is too coarse to aim with. */
const MAX_SLIDER = 1_000_000;

class ParameterControl extends HTMLElement {
  /** @type {Parameter | null} */
  #parameter = null;
  #id = freshId();
  #problem = h("p", { class: "field-error", id: `${this.#id}-problem`, role: "alert" });
  #reset = h("button", { type: "button", class: "icon-button small", onclick: () => this.#set(undefined) }, icon("close"));
  /** @type {any} */
  #field = null;
  /** @type {HTMLInputElement | null} */
  #slider = null;
  #epoch = 0;

  connectedCallback() {
    playground.drafts.addEventListener("change", this.#showProblem);
  }

  disconnectedCallback() {
    playground.drafts.removeEventListener("change", this.#showProblem);
  }

  /** Whether the field holds something that is not a value. */
  get #drafted() {
    return this.#epoch === playground.drafts.epoch && this.#field.getAttribute("aria-invalid") === "true";
  }

  /**
   * @param {Parameter} parameter
   * @param {any} value undefined: not set
   * @param {number} limit the context window, which bounds tokens better than the schema does
   */
  show(parameter, value, limit) {
    if (!this.#parameter) {
      this.#parameter = parameter;
      this.#build(parameter);
    }
    const kept = this.#drafted || this.#field === document.activeElement;
    this.#epoch = playground.drafts.epoch;
    this.#reset.hidden = value === undefined && !this.#drafted;
    this.classList.toggle("is-set", value !== undefined);
    if (this.#slider && parameter.name === "max_tokens" && limit) this.#slider.max = String(limit);
    const shown = value ?? parameter.default;
    if (parameter.type === "boolean") this.#field.checked = Boolean(shown);
    else if (!kept) this.#field.value = asText(parameter, value);
    if (this.#slider) {
      this.#slider.value = String(shown ?? NEUTRAL[parameter.name] ?? 0);
      this.#slider.setAttribute("aria-valuetext", value === undefined ? "not set" : String(value));
    }
  }

  /** @param {Parameter} parameter */
  #build(parameter) {
    const { name, type } = parameter;
    this.#reset.setAttribute("aria-label", `Reset ${name}`);
    this.#reset.title = "Reset";
    const hint = h("p", { class: "hint", id: `${this.#id}-hint` }, meaning(parameter));
    const described = { id: this.#id, "aria-describedby": `${this.#id}-hint ${this.#id}-problem` };
    this.#field = this.#input(parameter, described);
    const label = h("label", { for: this.#id }, h("code", {}, name));
    if (type === "boolean") {
      fill(this, h("div", { class: "parameter-line" }, label, this.#reset, this.#field), this.#problem, hint);
      return;
    }
    this.#field.addEventListener(type === "choice" ? "change" : "input", () => this.#read());
    if (type === "json") {
      fill(this, h("div", { class: "parameter-line" }, label, this.#reset), this.#field, this.#problem, hint);
      return;
    }
    const dice = name === "seed" && h("button", { type: "button", class: "icon-button", "aria-label": "Random seed", title: "Random seed", onclick: roll }, icon("dice"));
    fill(this, h("div", { class: "parameter-line" }, label, this.#reset, dice, this.#field), this.#makeSlider(parameter), this.#problem, hint);
  }

  /**
   * @param {Parameter} parameter
   * @param {Record<string, any>} described
   */
  #input({ type, min, max, choices = [] }, described) {
    if (type === "boolean") {
      return h("input", { ...described, type: "checkbox", role: "switch", onchange: () => this.#set(this.#field.checked) });
    }
    if (type === "choice") {
      return h("select", described, h("option", { value: "" }, "Not set"), ...choices.map((one) => h("option", { value: one }, one)));
    }
    if (type === "json") {
      return h("textarea", { ...described, class: "code", rows: "2", spellcheck: "false", placeholder: "JSON" });
    }
    if (type === "string") return h("input", { ...described, type: "text", placeholder: "not set" });
    const step = type === "integer" ? "1" : "any";
    return h("input", { ...described, type: "number", min, max, step, inputmode: "decimal", placeholder: "not set" });
  }

  /** @param {Parameter} parameter */
  #makeSlider({ name, type, min, max }) {
    const wide = name === "max_tokens" ? 8192 : max;
    if (min === undefined || wide === undefined || wide > MAX_SLIDER || type === "string") return null;
    const step = type === "integer" ? 1 : 0.05;
    const slider = h("input", { type: "range", min, max: wide, step, "aria-label": name });
    slider.addEventListener("input", () => this.#set(Number(slider.value)));
    this.#slider = slider;
    return slider;
  }

  #read() {
    const parameter = /** @type {Parameter} */ (this.#parameter);
    const text = this.#field.value.trim();
    if (text === "" && !this.#field.validity?.badInput) return this.#set(undefined, false);
    const { value, problem } = parsed(parameter, text);
    if (problem) {
      this.#reset.hidden = false;
      return this.#complain(problem);
    }
    return this.#set(value);
  }

  /**
   * @param {any} value
   * @param {boolean} [clear] whether an unset field is emptied
   */
  #set(value, clear = true) {
    playground.setParameter(/** @type {Parameter} */ (this.#parameter).name, value);
    if (value === undefined && clear) {
      if (this.#field.type !== "checkbox") this.#field.value = "";
      this.#field.focus();
    }
  }

  /** @param {string} text */
  #complain(text) {
    playground.drafts.tell(/** @type {Parameter} */ (this.#parameter).name, text);
  }

  #showProblem = () => {
    if (!this.#parameter) return;
    const text = playground.drafts.problemOf(this.#parameter.name);
    if (text !== this.#problem.textContent) this.#problem.textContent = text;
    this.#field.setAttribute("aria-invalid", String(text !== ""));
  };

  /** @override */
  focus() {
    this.#field?.focus();
  }
}

/**
 * @param {Parameter} parameter
 * @param {string} text
 * @returns {{value?: any, problem?: string}}
 */
function parsed(parameter, text) {
  const { type, min = -Infinity, max = Infinity } = parameter;
  if (type === "json") {
    try {
      return { value: JSON.parse(text) };
    } catch {
      return { problem: "This is not JSON yet: nothing is sent until it is, or until it is reset." };
    }
  }
  if (type === "string" || type === "choice") return { value: text };
  const value = Number(text);
  if (text === "" || !(value >= min && value <= max) || (type === "integer" && !Number.isInteger(value))) {
    return { problem: `${type === "integer" ? "A whole number, " : ""}${bounds(parameter)}.` };
  }
  return { value };
}

/**
 * @param {Parameter} parameter
 * @param {any} value
 */
function asText({ type, default: usual }, value) {
  if (value === undefined) return usual === undefined || type === "json" ? "" : usual;
  return type === "json" ? JSON.stringify(value, null, 2) : String(value);
}

/** Any seed: the same one gives the same answer again. */
function roll() {
  playground.setParameter("seed", 1 + (crypto.getRandomValues(new Uint32Array(1))[0] % MAX_SEED));
}

customElements.define("fs-parameter", ParameterControl);
