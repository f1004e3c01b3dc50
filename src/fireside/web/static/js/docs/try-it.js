// @ts-check
/** A form that sends a request to one route, and shows what is answered as it comes. */

import { listModels } from "../api/client.js";
import { segment } from "../api/paths.js";
import { account, respond } from "../api/session.js";
import { fill, freshId, h } from "../lib/dom.js";
import { duration } from "../lib/format.js";
import { problem } from "../parts/problem.js";
import { resolved } from "./schema-tree.js";

/** More than this of an answer is not shown. */
const MAX_SHOWN = 200_000;

/**
 * @param {any} document
 * @param {import("./operation.js").Operation} operation
 * @returns {HTMLElement}
 */
export function tryIt(document, { path, method, described }) {
  const parameters = (described.parameters ?? []).map(parameterField);
  const body = described.requestBody && bodyField(document, described.requestBody.content);
  const answer = h("div", { class: "stack", "aria-live": "polite" });
  const send = h("button", { class: "button primary" }, "Send");
  const stop = h("button", { type: "button", class: "button", hidden: true }, "Stop");
  const submit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const stopping = new AbortController();
    stop.onclick = () => stopping.abort();
    stop.hidden = false;
    send.disabled = true;
    try {
      const url = address(path, parameters);
      await show(answer, await respond(url.toString(), { method, ...body?.read(), signal: stopping.signal }));
    } catch (error) {
      if (!stopping.signal.aborted) fill(answer, problem(/** @type {Error} */ (error)));
    }
    stop.hidden = true;
    send.disabled = false;
  };
  const form = h(
    "form",
    { class: "form", onsubmit: submit },
    ...parameters.map((/** @type {any} */ one) => one.view),
    body?.view,
    h("div", { class: "editor-actions" }, stop, send),
    answer,
  );
  // Only who is about to try needs what may need a token.
  form.addEventListener("focusin", () => fillKnown(parameters), { once: true });
  return form;
}

/**
 * What this server knows of the names in the path.
 *
 * @param {{name: string, field: HTMLInputElement}[]} parameters
 */
async function fillKnown(parameters) {
  const known = { account_id: account, model: async () => (await listModels()).server.default_model };
  for (const { name, field } of parameters) {
    const ask = known[/** @type {keyof typeof known} */ (name)];
    // Without an answer the field stays empty, and says that it is required.
    if (ask && !field.value) field.value = await ask().catch(() => "");
  }
}

/**
 * @param {string} path with {names}
 * @param {{name: string, place: string, value: () => string}[]} parameters
 */
function address(path, parameters) {
  const given = new Map(parameters.map(({ name, value }) => [name, value().trim()]));
  // A model's id is the only name with slashes.
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name) => (given.get(name) ?? "").split("/").map(segment).join("/"));
  const url = new URL(filled, location.origin);
  for (const { name, place, value } of parameters) if (place === "query" && value()) url.searchParams.set(name, value());
  return url;
}

/** @param {any} parameter */
function parameterField({ name, in: place, required, schema }) {
  const id = freshId();
  const field = h("input", { id, required, autocomplete: "off", spellcheck: "false", dir: "auto" });
  const hint = schema?.description && h("p", { class: "hint" }, schema.description);
  const view = h("div", { class: "field" }, h("label", { for: id }, h("code", {}, name)), field, hint);
  return { name, place, field, value: () => field.value, view };
}

/**
 * @param {any} document
 * @param {Record<string, any>} content by media type
 * @returns {{view: HTMLElement, read: () => RequestInit}}
 */
function bodyField(document, content) {
  const form = content["multipart/form-data"];
  if (form) return formField(resolved(document, form.schema));
  const id = freshId();
  const type = Object.keys(content)[0];
  const text = JSON.stringify(example(document, content[type].schema), null, 2);
  const area = h("textarea", { id, class: "code", rows: Math.min(14, text.split("\n").length + 1), spellcheck: "false", ".value": text });
  return {
    view: h("div", { class: "field" }, h("label", { for: id }, "Body"), area),
    read: () => ({ body: area.value, headers: { "content-type": "application/json" } }),
  };
}

/** @param {any} schema of a form's fields */
function formField(schema) {
  const fields = Object.entries(schema.properties ?? {}).map(([name, property]) => {
    const { format, contentMediaType } = /** @type {any} */ (property);
    const isFile = format === "binary" || contentMediaType !== undefined || name === "file";
    const input = h("input", { id: freshId(), type: isFile ? "file" : "text", required: schema.required?.includes(name) });
    return { name, input, isFile };
  });
  const read = () => {
    const body = new FormData();
    for (const { name, input, isFile } of fields) body.set(name, isFile ? (input.files?.[0] ?? "") : input.value);
    return { body };
  };
  const views = fields.map(({ name, input }) => h("div", { class: "field" }, h("label", { for: input.id }, h("code", {}, name)), input));
  return { view: h("div", { class: "form" }, ...views), read };
}

/**
 * The smallest value that fits a schema: what is required, and nothing else.
 *
 * @param {any} document
 * @param {any} given
 * @param {string} [name] of the field
 * @returns {any}
 */
function example(document, given, name = "") {
  const schema = resolved(document, given);
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return example(document, choices[0], name);
  if ("const" in schema) return schema.const;
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum.includes("user") ? "user" : schema.enum[0];
  if (schema.type === "object") {
    const wanted = schema.required ?? [];
    return Object.fromEntries(wanted.map((/** @type {string} */ field) => [field, example(document, schema.properties[field], field)]));
  }
  if (schema.type === "array") return [example(document, schema.items, name)];
  if (schema.type === "integer" || schema.type === "number") return schema.minimum ?? 1;
  if (schema.type === "boolean") return false;
  if (name === "model") return "@hf/huggingfacetb/smollm2-135m-instruct";
  return name === "name" ? "my-fine-tune" : "Why is pizza so good?";
}

/**
 * @param {HTMLElement} place
 * @param {Response} response
 */
async function show(place, response) {
  const began = performance.now();
  const text = h("pre", { tabindex: "0", role: "region", "aria-label": "Answer" });
  const line = h("p", { class: response.ok ? "status-good" : "field-error" }, `${response.status} ${response.statusText}`);
  fill(place, line, h("div", { class: "code-block" }, text));
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let shown = "";
  for (let part = await reader?.read(); part && !part.done && shown.length < MAX_SHOWN; part = await reader?.read()) {
    shown += part.value;
    text.textContent = shown;
  }
  reader?.cancel().catch(() => {});
  text.textContent = pretty(shown);
  line.append(` · ${duration(performance.now() - began)} · request ${response.headers.get("cf-ai-req-id") ?? "without id"}`);
}

/** @param {string} text */
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
