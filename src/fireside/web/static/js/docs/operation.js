// @ts-check
/** One route: what it takes, what it answers, and a form to try it. */

import { h } from "../lib/dom.js";
import { tabbed } from "../parts/tabs.js";
import { schemaTree } from "./schema-tree.js";
import { tryIt } from "./try-it.js";

/**
 * @typedef {{path: string, method: string, described: any}} Operation
 */

/**
 * @param {any} document
 * @param {Operation} operation
 * @returns {HTMLElement} folded; its content is made when it is opened
 */
export function operationView(document, operation) {
  const { path, method, described } = operation;
  const view = h(
    "details",
    { class: "operation", id: described.operationId },
    h(
      "summary",
      {},
      h("span", { class: `method method-${method.toLowerCase()}` }, method),
      h("code", {}, ...breakable(path)),
      h("span", { class: "faint" }, described.summary),
    ),
  );
  view.addEventListener("toggle", () => {
    if (view.open && view.children.length === 1) view.append(h("div", { class: "operation-body" }, ...content(document, operation)));
  });
  return view;
}

/**
 * @param {any} document
 * @param {Operation} operation
 * @returns {(Node | null)[]}
 */
function content(document, operation) {
  const { parameters = [], requestBody, responses, description } = operation.described;
  return [
    description && h("p", {}, description),
    parameters.length && part("Parameters", parameterTable(parameters)),
    requestBody && part("Body", media(document, requestBody.content, "Body")),
    part("Answers", tabbed("Status", Object.entries(responses).map(([status, answer]) => answerTab(document, status, answer)))),
    part("Try it", tryIt(document, operation)),
  ].filter(Boolean);
}

/**
 * @param {string} title
 * @param {Node} view
 */
const part = (title, view) => h("section", { class: "stack" }, h("h3", {}, title), view);

/** @param {any[]} parameters */
function parameterTable(parameters) {
  const row = (/** @type {any} */ { name, in: place, required, schema, description }) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, h("code", {}, name), required && h("span", { class: "required" }, " required")),
      h("td", {}, place),
      h("td", {}, schema.type ?? "string"),
      h("td", {}, description ?? schema.description ?? schema.pattern ?? ""),
    );
  return h(
    "div",
    { class: "table-scroll", tabindex: "0", role: "region", "aria-label": "Parameters" },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, ...["Name", "In", "Type", "Meaning"].map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, ...parameters.map(row)),
    ),
  );
}

/**
 * @param {any} document
 * @param {string} status
 * @param {any} answer
 */
const answerTab = (document, status, answer) => ({
  id: status,
  label: status,
  content: () =>
    h("div", { class: "stack" }, h("div", {}, ...lines(answer.description)), answer.content && media(document, answer.content, `Answer ${status}`)),
});

/**
 * A description's lines; those of a list as a list.
 *
 * @param {string} text
 */
function lines(text) {
  const all = text.split("\n");
  const items = all.filter((line) => line.startsWith("- "));
  const rest = all.filter((line) => !line.startsWith("- "));
  return [
    rest.length > 0 && h("p", {}, rest.join(" ")),
    items.length > 0 && h("ul", { class: "codes" }, ...items.map((line) => h("li", {}, line.slice(2)))),
  ].filter(Boolean);
}

/**
 * @param {any} document
 * @param {Record<string, any>} types by media type
 * @param {string} label
 */
function media(document, types, label) {
  const all = Object.entries(types);
  if (all.length === 1) {
    const [[type, { schema }]] = all;
    return h("div", { class: "stack" }, h("p", { class: "hint" }, type), schemaTree(document, schema));
  }
  return tabbed(label, all.map(([type, { schema }]) => ({ id: type, label: type, content: () => schemaTree(document, schema) })));
}

/**
 * A path with places where a narrow window may break it.
 *
 * @param {string} path
 */
const breakable = (path) => path.split(/(?=\/)/).flatMap((piece) => [h("wbr"), piece]);
