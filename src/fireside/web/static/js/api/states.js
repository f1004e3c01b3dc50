// @ts-check
/** What the models of this server are doing, asked again and again while somebody looks. */

import { listModels } from "./client.js";

const CALM_MS = 5000;
const BUSY_MS = 700;

/**
 * Tells `change` when anything is different, and `error` when the server cannot be asked.
 */
class States extends EventTarget {
  /** @type {import("./client.js").Model[]} */
  models = [];
  server = { version: "", default_model: "", finetune_max_mb: 0, documentation: /** @type {string | null} */ (null) };
  /** @type {import("./errors.js").ApiError | null} */
  error = null;
  loaded = false;
  /** Somebody waits for an answer: a model may be about to load. */
  hurry = false;

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #seen = "";
  #asked = 0;

  /** Begin asking; the first answer is awaited. */
  async start() {
    document.addEventListener("visibilitychange", () => this.#mayAsk() && this.refresh());
    await this.refresh();
  }

  /** Ask now. */
  async refresh() {
    clearTimeout(this.#timer);
    this.#asked += 1;
    const number = this.#asked;
    try {
      const answer = await listModels();
      // An answer that was overtaken is out of date.
      if (number === this.#asked) this.#take(answer);
    } catch (error) {
      if (number === this.#asked) this.#fail(/** @type {any} */ (error));
    }
    if (number !== this.#asked) return;
    clearTimeout(this.#timer);
    if (this.#mayAsk()) {
      this.#timer = setTimeout(() => this.refresh(), this.hurry || this.#inMotion() ? BUSY_MS : CALM_MS);
    }
  }

  /**
   * @param {string} name its id, or an alias
   * @returns {import("./client.js").Model | undefined}
   */
  get(name) {
    return this.models.find((model) => model.name === name) ?? this.models.find((model) => aliasesOf(model).includes(name));
  }

  /** Not while nobody looks, and not after somebody declined to give a token: that would ask for it again. */
  #mayAsk() {
    return document.visibilityState === "visible" && this.error?.status !== 401;
  }

  #inMotion() {
    return this.models.some((model) => model.state === "loading" || model.state === "downloading");
  }

  /** @param {Awaited<ReturnType<typeof listModels>>} answer */
  #take(answer) {
    const text = JSON.stringify(answer);
    const recovered = this.error !== null;
    this.error = null;
    this.loaded = true;
    if (text === this.#seen && !recovered) return;
    this.#seen = text;
    this.server = answer.server;
    this.models = answer.models;
    this.dispatchEvent(new Event("change"));
  }

  /** @param {import("./errors.js").ApiError} error */
  #fail(error) {
    this.error = error;
    this.dispatchEvent(new Event("error"));
  }
}

/**
 * Further ids of a model.
 *
 * @param {import("./client.js").Model} model
 */
export const aliasesOf = ({ properties }) =>
  properties.filter((property) => property.property_id === "alias").map((property) => property.value);

export const states = new States();
