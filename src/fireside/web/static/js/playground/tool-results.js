// @ts-check
/** The calls of tools in an answer, and a form to give back what the tools gave. */

import { freshId, h } from "../lib/dom.js";

/**
 * @param {import("./conversation.js").ToolCall[]} calls
 * @returns {HTMLElement}
 */
export function toolCalls(calls) {
  return h(
    "ul",
    { class: "tool-calls", "aria-label": "Tool calls" },
    ...calls.map((call) =>
      h(
        "li",
        {},
        h("p", {}, "Calls ", h("code", {}, call.name)),
        h("pre", { tabindex: "0", role: "region", "aria-label": `Arguments of ${call.name}`, dir: "ltr" }, shown(call.arguments)),
      ),
    ),
  );
}

/**
 * @param {import("./conversation.js").ToolCall[]} calls
 * @param {(results: import("./conversation.js").ToolResult[]) => void} give
 * @returns {HTMLElement}
 */
export function resultsForm(calls, give) {
  const fields = calls.map((call, index) => {
    const which = calls.filter((other) => other.name === call.name).length > 1 ? ` (call ${index + 1})` : "";
    const area = h("textarea", { id: freshId(), rows: "2", dir: "auto", spellcheck: "false", required: true, placeholder: "Text or JSON" });
    return { call, area, view: h("div", { class: "field" }, h("label", { for: area.id }, `Result of ${call.name}${which}`), area) };
  });
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    give(fields.map(({ call, area }) => ({ id: call.id, name: call.name, content: area.value })));
  };
  return h(
    "form",
    { class: "form tool-results", onsubmit: submit },
    ...fields.map(({ view }) => view),
    h("div", { class: "editor-actions" }, h("button", { class: "button small primary" }, calls.length > 1 ? "Send results" : "Send result")),
  );
}

/** @param {any} given an object, or text that may be one */
function shown(given) {
  if (typeof given !== "string") return JSON.stringify(given, null, 2);
  try {
    return JSON.stringify(JSON.parse(given), null, 2);
  } catch {
    return given;
  }
}
