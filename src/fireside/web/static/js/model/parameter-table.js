// @ts-check
/** Every parameter and its bounds, out of the schema that the API checks requests with. */

import { meaning } from "../code/meanings.js";
import { bounds } from "../code/schema.js";
import { h } from "../lib/dom.js";

/** @param {import("../code/schema.js").Parameter[]} parameters */
export function parameterTable(parameters) {
  return h(
    "div",
    { class: "table-scroll", tabindex: "0", role: "region", "aria-label": "Table of parameters" },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, ...["Name", "Type", "Default", "Bounds", "Meaning"].map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, ...parameters.map(row)),
    ),
  );
}

/** @param {import("../code/schema.js").Parameter} parameter */
function row(parameter) {
  const { name, type, forms } = parameter;
  const only = forms.length === 1 ? ` Goes with ${forms[0]} only.` : "";
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, h("code", {}, name)),
    h("td", {}, { choice: "string", json: "JSON" }[/** @type {string} */ (type)] ?? type),
    h("td", {}, shown(parameter.default)),
    h("td", {}, bounds(parameter)),
    h("td", {}, `${meaning(parameter)}${only}`.trim()),
  );
}

/** @param {any} value */
const shown = (value) => (value === undefined ? "" : h("code", {}, JSON.stringify(value)));
