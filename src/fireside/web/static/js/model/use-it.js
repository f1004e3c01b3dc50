// @ts-check
/** The request as code, with the parameters that one chooses. */

import { codeRequest } from "../code/samples.js";
import { bounds } from "../code/schema.js";
import { fill, freshId, h } from "../lib/dom.js";
import { requestCode } from "../parts/code-block.js";

/** Those of one value each; the others have examples in the documentation. */
const OFFERED = ["max_tokens", "temperature", "top_p", "top_k", "seed", "repetition_penalty", "frequency_penalty", "presence_penalty"];

/**
 * @param {string} account
 * @param {string} model
 * @param {object[]} messages
 * @param {import("../code/schema.js").Parameter[]} parameters
 * @param {boolean} needsToken
 * @returns {HTMLElement}
 */
export function useIt(account, model, messages, parameters, needsToken) {
  const code = h("div");
  const stream = h("input", { type: "checkbox", role: "switch", id: freshId(), ".checked": true, onchange: draw });
  const fields = parameters.filter(({ name }) => OFFERED.includes(name)).map((one) => field(one, draw));
  function draw() {
    const given = Object.fromEntries(fields.flatMap((one) => one.read()));
    const body = { messages, ...(stream.checked ? { stream: true } : {}), ...given };
    fill(code, requestCode(codeRequest(account, model, body, { needsToken })));
  }
  draw();
  return h(
    "div",
    { class: "stack" },
    h(
      "details",
      { class: "advanced" },
      h("summary", {}, "Parameters"),
      h(
        "div",
        { class: "parameter-grid" },
        h("div", { class: "switch" }, h("label", { for: stream.id }, h("code", {}, "stream")), stream),
        ...fields.map(({ view }) => view),
      ),
    ),
    code,
  );
}

/**
 * @param {import("../code/schema.js").Parameter} parameter
 * @param {() => void} changed
 * @returns {{view: HTMLElement, read: () => [string, number][]}} read: nothing while it is empty or wrong
 */
function field(parameter, changed) {
  const { name, type, min, max, default: usual } = parameter;
  const id = freshId();
  const problem = h("p", { class: "field-error", id: `${id}-problem`, role: "alert" });
  const input = h("input", {
    id, type: "number", min, max, step: type === "integer" ? "1" : "any", inputmode: "decimal",
    placeholder: usual ?? "not set", "aria-describedby": `${id}-problem`,
  });
  input.addEventListener("input", () => {
    const wrong = !input.validity.valid;
    problem.textContent = wrong ? `${type === "integer" ? "A whole number, " : ""}${bounds(parameter)}. It is not in the code.` : "";
    input.setAttribute("aria-invalid", String(wrong));
    changed();
  });
  const view = h("div", { class: "field" }, h("label", { for: id }, h("code", {}, name)), input, problem);
  return { view, read: () => (input.value && input.validity.valid ? [[name, Number(input.value)]] : []) };
}
