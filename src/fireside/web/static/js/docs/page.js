// @ts-check
/** The API's reference: every route of the OpenAPI document, to read and to try. */

import "../lib/theme-toggle.js";
import "../parts/server-facts.js";
import { request } from "../api/session.js";
import { fill, h } from "../lib/dom.js";
import { problem } from "../parts/problem.js";
import { operationView } from "./operation.js";

const DOCUMENT = "/openapi.json";

class Reference extends HTMLElement {
  connectedCallback() {
    fill(this, h("div", { class: "skeleton page-skeleton", "aria-hidden": "true" }, h("div"), h("div"), h("div")));
    this.#load();
    addEventListener("hashchange", open);
  }

  async #load() {
    try {
      this.#draw(await (await request(DOCUMENT)).json());
      open();
    } catch (error) {
      fill(this, problem(/** @type {Error} */ (error), [{ label: "Try again", run: () => this.#load() }]));
    }
  }

  /** @param {any} document */
  #draw(document) {
    const groups = grouped(document);
    fill(
      this,
      h(
        "div",
        { class: "reference-head" },
        h("h1", {}, "API reference"),
        h("p", { class: "lead" }, document.info.description),
        h("p", {}, "As an OpenAPI document: ", h("a", { href: DOCUMENT }, h("code", {}, DOCUMENT))),
      ),
      h(
        "nav",
        { class: "page-nav", "aria-label": "On this page" },
        ...groups.map(([tag]) => h("a", { href: `#${slug(tag)}` }, tag)),
      ),
      ...groups.map(([tag, operations]) =>
        h("section", { id: slug(tag), class: "section" }, h("h2", {}, tag), ...operations.map((one) => operationView(document, one))),
      ),
    );
  }
}

/**
 * @param {any} document
 * @returns {[string, import("./operation.js").Operation[]][]} operations by what they are about
 */
function grouped(document) {
  /** @type {Map<string, import("./operation.js").Operation[]>} */
  const groups = new Map();
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, described] of Object.entries(/** @type {Record<string, any>} */ (methods))) {
      const tag = described.tags?.[0] ?? "Other";
      groups.set(tag, [...(groups.get(tag) ?? []), { path, method: method.toUpperCase(), described }]);
    }
  }
  return [...groups].sort(([a], [b]) => rank(a) - rank(b));
}

/** What most people come for stands first. */
const ORDER = ["Run", "OpenAI", "Models", "Fine-tunes", "Account", "Server"];
const rank = (/** @type {string} */ tag) => (ORDER.includes(tag) ? ORDER.indexOf(tag) : ORDER.length);

/** @param {string} tag */
const slug = (tag) => tag.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");

/** Show what the address names. */
function open() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (named instanceof HTMLDetailsElement) named.open = true;
  named?.scrollIntoView();
}

customElements.define("fs-api-reference", Reference);
