// @ts-check
/** The page of one model: what it is, how to call it, how to prompt it, and what it takes. */

import "../lib/theme-toggle.js";
import "../parts/model-state.js";
import "../parts/server-facts.js";
import { schemas } from "../api/client.js";
import { ApiError } from "../api/errors.js";
import { account, hasToken } from "../api/session.js";
import { states } from "../api/states.js";
import { parametersOf } from "../code/schema.js";
import { copyButton } from "../lib/copy-button.js";
import { fill, h } from "../lib/dom.js";
import { author, shortName } from "../lib/format.js";
import { icon } from "../lib/icons.js";
import { badges, playgroundPath } from "../parts/facts.js";
import { problem } from "../parts/problem.js";
import { parameterTable } from "./parameter-table.js";
import { propertyList } from "./property-list.js";
import { promptingGuide } from "./prompting-guide.js";
import { schemaView } from "./schema-view.js";
import { useIt } from "./use-it.js";

const name = decoded(location.pathname.replace(/^\/models\//, "").replace(/\/$/, ""));

const SEE_MODELS = { label: "See the models", run: () => location.assign("/") };

class ModelPage extends HTMLElement {
  #state = h("fs-model-state");
  #drawn = false;

  connectedCallback() {
    document.title = `${shortName(name)} · Fireside`;
    fill(this, h("div", { class: "skeleton page-skeleton", "aria-hidden": "true" }, h("div"), h("div"), h("div")));
    states.addEventListener("change", () => this.#update());
    states.addEventListener("error", () => this.#fail(/** @type {Error} */ (states.error)));
    states.start();
  }

  #update() {
    const model = states.get(name);
    if (!model) {
      this.#fail(new ApiError(`There is no model ${name} on this server.`), SEE_MODELS);
      return;
    }
    this.#state.model = model;
    if (this.#drawn) return;
    this.#drawn = true;
    this.#draw(model).catch((error) => {
      this.#drawn = false;
      this.#fail(error);
    });
  }

  /**
   * @param {Error} error
   * @param {{label: string, run: () => void}} [action]
   */
  #fail(error, action = { label: "Try again", run: () => states.refresh() }) {
    if (!this.#drawn) fill(this, problem(error, [action]));
  }

  /** @param {import("../api/client.js").Model} model */
  async #draw(model) {
    const [{ input, output }, accountId] = await Promise.all([schemas(name), account()]);
    const parameters = parametersOf(input);
    const sections = [
      section("Use it", "use", [
        h("p", {}, "The request as code, with this server’s address in it. ", h("a", { href: "/docs" }, "The API reference"), " has every route."),
        useIt(accountId, name, example(model), parameters, hasToken()),
      ]),
      section("Prompting", "prompting", [promptingGuide(model)]),
      section("Parameters", "parameters", [parameterTable(parameters)]),
      section("API schema", "schema", [schemaView(input, output)]),
      section("Properties", "properties", [propertyList(model)]),
    ];
    fill(
      this,
      head(model, this.#state),
      h(
        "nav",
        { class: "page-nav", "aria-label": "On this page" },
        ...sections.map((part) => h("a", { href: `#${part.id}` }, part.firstElementChild?.textContent)),
      ),
      ...sections,
    );
    // The address may name a section that was not there when the browser looked for it.
    if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  }
}

/** @param {string} path */
function decoded(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/**
 * @param {import("../api/client.js").Model} model
 * @param {HTMLElement} state
 */
function head(model, state) {
  return h(
    "div",
    { class: "model-head" },
    h(
      "div",
      {},
      h("p", { class: "eyebrow" }, h("a", { href: "/" }, "Models"), " / ", author(name)),
      h("h1", {}, shortName(name)),
      h("p", { class: "model-id" }, h("code", {}, name), copyButton("Copy the model’s id", () => name)),
      badges(model),
      h("p", { class: "lead", dir: "auto" }, model.description),
    ),
    h(
      "aside",
      { class: "card", "aria-label": "On this server" },
      state,
      h("a", { class: "button primary", href: playgroundPath(name) }, "Open the playground", icon("arrow")),
    ),
  );
}

/**
 * @param {string} title
 * @param {string} id
 * @param {Node[]} content
 * @returns {HTMLElement}
 */
const section = (title, id, content) => h("section", { id, class: "section" }, h("h2", {}, title), ...content);

/** @param {import("../api/client.js").Model} model */
const example = (model) => [
  { role: "system", content: model.default_system ?? "You are a friendly assistant" },
  { role: "user", content: "Why is pizza so good?" },
];

customElements.define("fs-model-page", ModelPage);
