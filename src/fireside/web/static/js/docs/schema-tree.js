// @ts-check
/** A JSON schema as a list of fields; what is nested is folded, and made when it is opened. */

import { bounds } from "../code/schema.js";
import { h } from "../lib/dom.js";

/**
 * The schema itself, where it is a reference, or a choice between it and null.
 *
 * @param {any} document
 * @param {any} schema
 * @returns {any}
 */
export function resolved(document, schema) {
  const name = schema?.$ref?.split("/").at(-1);
  if (name) return { ...document.components.schemas[name], title: name };
  const { anyOf, ...rest } = schema ?? {};
  const choices = anyOf?.filter((/** @type {any} */ one) => one.type !== "null");
  if (choices?.length !== 1) return choices ? { ...rest, anyOf: choices } : rest;
  return { ...resolved(document, choices[0]), ...rest };
}

/**
 * @param {any} document
 * @param {any} schema
 * @returns {HTMLElement}
 */
export function schemaTree(document, schema) {
  const one = resolved(document, schema);
  const about = one.description && h("p", { class: "hint" }, one.description);
  return h("div", { class: "schema-tree" }, about, ...inside(document, one));
}

/**
 * @param {any} document
 * @param {any} schema
 * @returns {(Node | string)[]}
 */
function inside(document, schema) {
  const choices = schema.oneOf ?? schema.anyOf;
  if (schema.properties) {
    const fields = Object.entries(schema.properties).map(([name, field]) => fieldView(document, name, field, schema.required?.includes(name)));
    return [h("ul", {}, ...fields)];
  }
  if (choices) {
    const views = choices.map((/** @type {any} */ choice, /** @type {number} */ number) => fieldView(document, `Form ${number + 1}`, choice, false, true));
    return [h("ul", {}, ...views)];
  }
  if (schema.items) return [h("ul", {}, fieldView(document, "each", schema.items, false, true))];
  return [h("p", {}, h("code", {}, typeOf(document, schema)))];
}

/**
 * @param {any} document
 * @param {string} name
 * @param {any} given
 * @param {boolean} required
 * @param {boolean} [plain] whether the name is ours, and no field's
 */
function fieldView(document, name, given, required, plain = false) {
  const schema = resolved(document, given);
  const limits = schema.enum ? "" : bounds({ min: schema.minimum, max: schema.maximum });
  const facts = [typeOf(document, schema), limits, schema.default != null ? `default ${JSON.stringify(schema.default)}` : ""].filter(Boolean).join(", ");
  const head = [
    plain ? h("span", { class: "faint" }, name) : h("code", {}, name),
    " ",
    h("span", { class: "faint" }, facts),
    required && h("span", { class: "required" }, " required"),
  ].filter(Boolean);
  const about = schema.description && h("p", { class: "hint" }, schema.description);
  if (!isNested(document, schema)) return h("li", {}, ...head, about);
  const fold = h("details", {}, h("summary", {}, ...head));
  fold.addEventListener("toggle", () => {
    if (fold.open && fold.children.length === 1) fold.append(...inside(document, schema));
  });
  return h("li", {}, fold, about);
}

/**
 * @param {any} document
 * @param {any} schema
 * @returns {boolean}
 */
function isNested(document, schema) {
  if (schema.properties || schema.items?.properties || schema.items?.$ref) return true;
  const choices = (schema.oneOf ?? schema.anyOf ?? []).map((/** @type {any} */ one) => resolved(document, one));
  return choices.some((/** @type {any} */ one) => one.properties || one.items);
}

/**
 * @param {any} document
 * @param {any} schema
 * @returns {string} in words
 */
function typeOf(document, schema) {
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((/** @type {any} */ one) => JSON.stringify(one)).join(" or ");
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return choices.map((/** @type {any} */ one) => typeOf(document, resolved(document, one))).join(" or ");
  if (schema.type === "array") return `list of ${typeOf(document, resolved(document, schema.items))}`;
  if (Array.isArray(schema.type)) return schema.type.join(" or ");
  return schema.title ?? schema.type ?? "anything";
}
