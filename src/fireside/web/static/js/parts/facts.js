// @ts-check
/** What a model is, in a few words each. */

import { isModelId, modelSegments } from "../api/paths.js";
import { h } from "../lib/dom.js";
import { count } from "../lib/format.js";

/**
 * @param {import("../api/client.js").Model} model
 * @returns {HTMLElement}
 */
export function badges(model) {
  return h(
    "ul",
    { class: "badges", "aria-label": "Properties" },
    h("li", {}, model.task.name),
    model.lora && h("li", { class: "badge-accent", title: "Takes LoRA fine-tunes" }, "LoRA"),
    model.beta && h("li", {}, "Beta"),
    h("li", {}, `${count(model.context_length)} tokens of context`),
  );
}

/**
 * Where the page of a model is; a name that is none leads to the list of all.
 *
 * @param {string} name
 */
export const modelPath = (name) => (isModelId(name) ? `/models/${modelSegments(name)}` : "/");

/** @param {string} name */
export const playgroundPath = (name) => `/playground?model=${encodeURIComponent(name)}`;
