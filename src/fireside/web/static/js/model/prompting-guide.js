// @ts-check
/** Scoped, unscoped and raw prompts, with what the model reads of each while one edits. */

import "../parts/prompt-preview.js";
import { preview } from "../api/client.js";
import { freshId, h } from "../lib/dom.js";
import { codeBlock } from "../parts/code-block.js";
import { tabbed } from "../parts/tabs.js";

/** @typedef {import("../api/client.js").Model} Model */

const QUESTION = "tell me a joke about cloudflare";

/** @param {Model} model */
export function promptingGuide(model) {
  return h(
    "div",
    { class: "stack" },
    h(
      "p",
      {},
      "Chat models are trained on one template. Give messages or a prompt and the template is applied for you; with raw you write it yourself. Edit the texts and see exactly what the model reads: its ",
      h("mark", { class: "control-token" }, "control tokens"),
      " are marked, and no text of yours becomes one unless it is raw.",
    ),
    tabbed("Kind of prompt", [
      { id: "scoped", label: "Scoped: messages", content: () => scoped(model) },
      { id: "unscoped", label: "Unscoped: prompt", content: () => unscoped(model) },
      { id: "raw", label: "Raw", content: () => raw(model) },
    ]),
  );
}

/** @param {Model} model */
function scoped(model) {
  const system = field("System message", 2, "you are a very funny comedian and you like emojis");
  const user = field("User message", 3, QUESTION);
  return live(model, [system, user], "Roles keep instructions and questions apart, and a conversation goes on by adding turns.", () => {
    const messages = [{ role: "user", content: user.value }];
    if (system.value) messages.unshift({ role: "system", content: system.value });
    return { messages };
  });
}

/** @param {Model} model */
function unscoped(model) {
  const prompt = field("Prompt", 4, QUESTION);
  const preface = model.default_system ? " after the model’s default system message" : "";
  const text = `One question becomes one user turn${preface}. Good for single questions, and for fine-tunes.`;
  return live(model, [prompt], text, () => ({ prompt: prompt.value }));
}

/** @param {Model} model */
function raw(model) {
  const prompt = field("Raw prompt", 7, "");
  const text = "The text goes to the model as it is, control tokens and all: write the template yourself, or leave it out.";
  const shown = live(model, [prompt], text, () => ({ prompt: prompt.value, raw: true }));
  // The template of this very model is the best place to start from.
  preview(model.name, { messages: [{ role: "user", content: QUESTION }] }).then(
    ({ pieces }) => {
      if (prompt.value) return;
      prompt.value = pieces.map((piece) => piece.text).join("");
      prompt.dispatchEvent(new Event("input"));
    },
    () => {},
  );
  return shown;
}

/**
 * @param {Model} model
 * @param {HTMLTextAreaElement[]} fields
 * @param {string} text
 * @param {() => Record<string, any>} body
 */
function live(model, fields, text, body) {
  const seen = /** @type {any} */ (h("fs-prompt-preview"));
  const request = h("div");
  const update = () => {
    seen.update(model.name, body(), model.context_length);
    request.replaceChildren(codeBlock(JSON.stringify(body(), null, 2), "json", "Request body"));
  };
  for (const one of fields) one.addEventListener("input", update);
  update();
  return h(
    "div",
    { class: "guide" },
    h("div", { class: "guide-edit" }, h("p", {}, text), ...fields.map(labelled)),
    h("div", { class: "guide-seen" }, h("h3", {}, "What the model reads"), seen, h("h3", {}, "What you send"), request),
  );
}

/**
 * @param {string} label
 * @param {number} rows
 * @param {string} value
 * @returns {HTMLTextAreaElement}
 */
function field(label, rows, value) {
  return h("textarea", { id: freshId(), rows, "data-label": label, dir: "auto", ".value": value, spellcheck: "false" });
}

/** @param {HTMLTextAreaElement} area */
const labelled = (area) => h("div", { class: "field" }, h("label", { for: area.id }, area.dataset.label), area);
