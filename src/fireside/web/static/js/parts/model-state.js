// @ts-check
/** `<fs-model-state>`: what a model is doing on this server, and the button that changes it. */

import { startDownload, stopDownload } from "../api/client.js";
import { states } from "../api/states.js";
import { announce } from "../lib/announce.js";
import { fill, h } from "../lib/dom.js";
import { percent, shortName, size } from "../lib/format.js";
import { icon } from "../lib/icons.js";
import { toast } from "../lib/toast.js";

/** @typedef {import("../api/client.js").Model} Model */

const LABELS = {
  ready: "Ready",
  loading: "Loading",
  idle: "On this machine",
  "not-downloaded": "Not downloaded",
  downloading: "Downloading",
  failed: "Failed",
  unavailable: "No weights",
};

class ModelState extends HTMLElement {
  /** @type {Model | null} */
  #model = null;
  #busy = false;
  #drawn = "";
  #line = h("div");
  #progress = h("progress", { max: "1" });
  #detail = h("p", { class: "state-detail", dir: "auto" });
  #action = h("div", { class: "state-action" });

  /** @param {Model} model */
  set model(model) {
    const before = this.#model;
    this.#model = model;
    if (before && before.state !== model.state) this.#tell(before, model);
    this.#draw();
  }

  /**
   * @param {Model} before
   * @param {Model} now
   */
  #tell(before, now) {
    const name = shortName(now.name);
    if (now.state === "failed") announce(`${name} failed: ${now.detail}`);
    else if (before.state === "downloading" && now.state === "idle") announce(`${name} is downloaded.`);
    else if (now.state === "ready") announce(`${name} is ready.`);
    else announce(`${name}: ${LABELS[now.state]}.`);
  }

  /** Changes what is there rather than make it again: a click may be half done. */
  #draw() {
    const model = /** @type {Model} */ (this.#model);
    if (!this.firstChild) fill(this, this.#line, this.#progress, this.#detail, this.#action);
    this.#line.className = `state state-${model.state}`;
    fill(this.#line, h("span", { class: "state-dot" }), h("span", {}, label(model)));
    this.#progress.hidden = !model.progress;
    this.#progress.setAttribute("aria-label", `${LABELS[model.state]} ${shortName(model.name)}`);
    const share = model.progress?.share;
    if (!share) this.#progress.removeAttribute("value");
    else this.#progress.value = share;
    this.#detail.textContent = detail(model);
    const key = `${model.state} ${model.can_download}`;
    if (key === this.#drawn) return;
    this.#drawn = key;
    const hadFocus = this.contains(document.activeElement);
    fill(this.#action, this.#button(model));
    if (hadFocus) this.querySelector("button")?.focus();
  }

  /** @param {Model} model */
  #button(model) {
    if (model.state === "downloading") {
      return this.#act("Cancel", "close", () => stopDownload(model.name), "Cancel the download of");
    }
    if (!model.can_download || !(model.state === "not-downloaded" || model.state === "failed")) return null;
    const again = model.state === "failed";
    const text = again ? "Try again" : model.download_bytes ? `Download ${size(model.download_bytes)}` : "Download";
    return this.#act(text, again ? "refresh" : "download", () => startDownload(model.name), `${text}:`);
  }

  /**
   * @param {string} text
   * @param {string} sign
   * @param {() => Promise<unknown>} act
   * @param {string} spoken
   */
  #act(text, sign, act, spoken) {
    const name = shortName(/** @type {Model} */ (this.#model).name);
    const run = async () => {
      if (this.#busy) return;
      this.#busy = true;
      try {
        await act();
      } catch (error) {
        toast(/** @type {Error} */ (error).message);
      }
      this.#busy = false;
      await states.refresh();
    };
    return h("button", { type: "button", class: "button", "aria-label": `${spoken} ${name}`, onclick: run }, icon(sign), text);
  }
}

/** @param {Model} model */
function label({ state, progress }) {
  const share = progress?.share;
  return share ? `${LABELS[state]} ${percent(share)}` : LABELS[state];
}

/** @param {Model} model */
function detail(model) {
  const { state, progress, stats } = model;
  if (model.answered_by) return `Requests are answered by ${model.answered_by}, its stand-in.`;
  if (state === "failed" || state === "unavailable") return model.detail;
  if (progress) {
    const bytes = progress.total ? ` (${size(progress.done)} of ${size(progress.total)})` : "";
    return `${progress.phase}${bytes}`;
  }
  if (state === "ready") return stats?.running ? `Answering ${stats.running === 1 ? "a request" : `${stats.running} requests`}.` : "In memory.";
  if (state === "idle") return "Loads when it is first used.";
  if (state === "not-downloaded" && !model.can_download) return `On the server, run: fireside pull ${model.name}`;
  return "";
}

customElements.define("fs-model-state", ModelState);
