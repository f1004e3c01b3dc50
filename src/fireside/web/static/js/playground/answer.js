// @ts-check
/** `<fs-answer>`: one lane's answer to a turn: text, counts, and what one can do with it. */

import { states } from "../api/states.js";
import { copyButton } from "../lib/copy-button.js";
import { fill, h } from "../lib/dom.js";
import { duration, percent, plural, rate, shortName } from "../lib/format.js";
import { icon } from "../lib/icons.js";
import { modelPath } from "../parts/facts.js";
import { problem } from "../parts/problem.js";
import { TextView } from "../markdown/text-view.js";
import { playground } from "./controller.js";
import { canContinue, speed } from "./conversation.js";
import { display } from "./display.js";
import { editor } from "./editor.js";
import { resultsForm, toolCalls } from "./tool-results.js";

/** The API's code for a model whose files are not on the server. */
const NOT_DOWNLOADED = 5101;

/**
 * @typedef {import("./conversation.js").Answer} Answer
 * @typedef {{turn: import("./conversation.js").Turn, index: number, lane: number, last: boolean, alone: boolean}} Place
 */

class AnswerView extends HTMLElement {
  /** @type {Place | null} */
  #place = null;
  #head = h("div", { class: "answer-head" });
  #text = new TextView();
  #below = h("div", { class: "answer-below" });
  #results = h("div", { class: "answer-results" });
  #stats = h("p", { class: "answer-stats" });
  #actions = h("div", { class: "answer-actions" });
  #editing = false;
  #scheduled = false;

  connectedCallback() {
    states.addEventListener("change", this.#onStates);
    display.addEventListener("change", this.#onDisplay);
  }

  disconnectedCallback() {
    states.removeEventListener("change", this.#onStates);
    display.removeEventListener("change", this.#onDisplay);
  }

  #onDisplay = () => this.#text.redraw();
  #onStates = () => this.#answer?.state === "running" && this.#draw();

  /** @returns {Answer | null} */
  get #answer() {
    return this.#place?.turn.answers[this.#place.lane] ?? null;
  }

  /** @param {Place} place */
  show(place) {
    this.#place = place;
    if (this.#editing) return;
    if (!this.firstChild) fill(this, this.#head, this.#text.element, this.#below, this.#results, this.#stats, this.#actions);
    this.#draw();
    this.#drawResults();
    this.#drawActions();
  }

  /** There is more of it: draw at most once a frame. */
  more() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      this.#draw();
    });
  }

  #draw() {
    const answer = this.#answer;
    const { lane, alone } = /** @type {Place} */ (this.#place);
    fill(this.#head, h("h2", { class: alone ? "visually-hidden" : "" }, heading(answer, lane)));
    this.#text.show(answer?.text ?? "", answer?.state === "running");
    fill(this.#below, ...this.#notes(answer));
    fill(this.#stats, answer ? stats(answer) : "");
  }

  /** @param {Answer | null} answer */
  #notes(answer) {
    if (!answer) return [h("p", { class: "hint" }, "No answer here yet.")];
    const notes = [];
    if (answer.state === "running" && !answer.text) notes.push(waiting(answer));
    if (answer.toolCalls.length) notes.push(toolCalls(answer.toolCalls));
    const why = cut(answer);
    if (why) notes.push(this.#cutShort(answer, why));
    if (answer.edited) notes.push(h("p", { class: "hint" }, "Edited by you."));
    if (answer.servedBy !== answer.model) notes.push(h("p", { class: "hint" }, `Answered by ${answer.servedBy}, its stand-in.`));
    if (answer.error) {
      const actions = [{ label: "Try again", run: () => this.#again() }];
      if (answer.error.code === NOT_DOWNLOADED) {
        actions.push({ label: "The model’s page", run: () => location.assign(modelPath(answer.model)) });
      }
      notes.push(problem(Object.assign(new Error(answer.error.message), answer.error), actions));
    }
    return notes;
  }

  /**
   * @param {Answer} answer
   * @param {string} why
   */
  #cutShort(answer, why) {
    const { index, lane } = /** @type {Place} */ (this.#place);
    const go = h("button", { type: "button", class: "button small", onclick: () => playground.goOn(index, lane) }, icon("forward"), "Continue");
    return h("div", { class: "cut" }, h("p", {}, why), canContinue(answer) && !playground.running && go);
  }

  /** A form for the results of the tools, below the last answer. Kept as it is while somebody fills it in. */
  #drawResults() {
    const answer = this.#answer;
    const { index, lane, last } = /** @type {Place} */ (this.#place);
    const wanted = last && !playground.running && answer?.state === "done" && answer.toolCalls.length > 0;
    if (!wanted) fill(this.#results);
    else if (!this.#results.firstChild) fill(this.#results, resultsForm(answer.toolCalls, (given) => playground.giveResults(index, lane, given)));
  }

  #drawActions() {
    const answer = this.#answer;
    const { index, lane } = /** @type {Place} */ (this.#place);
    if (playground.running) return fill(this.#actions);
    const button = (/** @type {string} */ label, /** @type {string} */ sign, /** @type {() => void} */ run) =>
      h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick: run }, icon(sign));
    fill(
      this.#actions,
      answer?.text && copyButton("Copy this answer", () => this.#answer?.text ?? ""),
      button(answer ? "Run again" : "Run", "refresh", () => this.#again()),
      answer && button("Edit this answer", "edit", () => this.#edit()),
      answer &&
        button("View code of this request", "code", async () => {
          const { openRequest } = await import("./request-dialog.js");
          openRequest({ index, lane, answer });
        }),
    );
    return undefined;
  }

  #again() {
    const { index, lane } = /** @type {Place} */ (this.#place);
    playground.again(index, lane);
  }

  #edit() {
    const { index, lane } = /** @type {Place} */ (this.#place);
    this.#editing = true;
    const back = () => {
      this.#editing = false;
      fill(this);
      this.show(/** @type {Place} */ (this.#place));
    };
    const done = (/** @type {string} */ text) => {
      back();
      playground.editAnswer(index, lane, text);
    };
    fill(this, editor("Edit this answer", this.#answer?.text ?? "", "Save", done, back));
    this.querySelector("textarea")?.focus();
  }
}

/**
 * @param {Answer | null} answer
 * @param {number} lane
 */
function heading(answer, lane) {
  const { model, lora } = answer ?? playground.current.lanes[lane];
  return `${shortName(model)}${lora ? ` + ${playground.fineTuneName(lora)}` : ""}`;
}

/**
 * Why there is not more of an answer, when there could be.
 *
 * @param {Answer} answer
 */
function cut({ state, finish, usage, parameters }) {
  if (state === "stopped") return "Stopped.";
  if (state === "interrupted") return "The page was closed before the answer’s end.";
  if (state !== "done" || finish !== "length") return "";
  const most = parameters.max_tokens ?? usage?.completion_tokens;
  return `Cut off: the answer had reached ${most ? `its most of ${plural(most, "token")}` : "its most tokens"} (max_tokens).`;
}

/** @param {Answer} answer */
function waiting(answer) {
  const model = states.get(answer.servedBy);
  if (model?.state !== "loading") return h("p", { class: "thinking" }, h("span", {}, "Reading the prompt"));
  const share = model.progress?.share;
  return h(
    "div",
    { class: "waiting" },
    h("p", {}, `Loading ${shortName(model.name)}${share ? ` ${percent(share)}` : ""}: ${model.progress?.phase ?? ""}`),
    h("progress", { "aria-label": `Loading ${shortName(model.name)}`, max: "1", value: share || null }),
  );
}

/** @param {Answer} answer */
function stats(answer) {
  const perSecond = speed(answer);
  const parts = [
    answer.firstMs !== null && `first token after ${duration(answer.firstMs)}`,
    perSecond !== null && rate(perSecond),
    answer.usage ? plural(answer.usage.completion_tokens, "token") : answer.pieces > 0 && plural(answer.pieces, "token"),
    answer.usage && `prompt ${plural(answer.usage.prompt_tokens, "token")}`,
    answer.parameters.seed !== undefined && `seed ${answer.parameters.seed}`,
  ];
  return parts.filter(Boolean).join(" · ");
}

customElements.define("fs-answer", AnswerView);
