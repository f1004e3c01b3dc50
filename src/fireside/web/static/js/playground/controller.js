// @ts-check
/** What one can ask the playground to do in a conversation. The views show what comes of it. */

import { states } from "../api/states.js";
import { conversationInAddress, writeAddress } from "./address.js";
import { fillIn } from "./answering.js";
import { newAnswer, newTurn, shortened } from "./conversation.js";
import { isRunning } from "./library.js";
import { requestBody } from "./request.js";
import { PlaygroundState } from "./state.js";
import { childrenIn, latestLeaf } from "./tree.js";

/** @typedef {import("./conversation.js").Turn} Turn */

class Playground extends PlaygroundState {
  /**
   * Say something, and let every lane answer.
   *
   * @param {string} text
   * @returns {boolean} whether it was sent
   */
  send(text) {
    if (!this.#mayAsk()) return false;
    const { current } = this;
    current.opening ||= shortened(text);
    this.#answer(newTurn(current, { parent: current.head, text }));
    return true;
  }

  /**
   * Say something else in place of a turn. What was said stays, as another version.
   *
   * @param {number} index
   * @param {string} text
   */
  edit(index, text) {
    if (!this.#mayAsk()) return;
    this.#answer(newTurn(this.current, { parent: this.current.turns[index].parent, text }));
  }

  /**
   * Put other words into a lane's mouth, as another version of the turn.
   *
   * @param {number} index
   * @param {number} lane
   * @param {string} text
   */
  editAnswer(index, lane, text) {
    const before = this.current.turns[index].answers[lane];
    if (this.running || !before) return;
    const turn = this.#version(index);
    turn.answers[lane] = { ...before, text, edited: true, state: "done", finish: "", error: null };
    this.library.show(this.current, this.#added(turn));
    this.#keepAndTell(turn);
  }

  /**
   * Answer a turn again. What was answered stays, as another version, unless there was nothing.
   *
   * @param {number} index
   * @param {number} lane
   */
  again(index, lane) {
    if (!this.#mayAsk()) return;
    const turn = this.current.turns[index];
    const before = turn.answers[lane];
    const worthKeeping = before && (before.text || before.toolCalls.length);
    const last = index === this.current.turns.length - 1;
    this.#answer(worthKeeping || !last ? this.#version(index) : turn, { only: lane });
  }

  /**
   * Go on with an answer that was cut short.
   *
   * @param {number} index
   * @param {number} lane
   */
  goOn(index, lane) {
    if (!this.#mayAsk()) return;
    const turn = this.current.turns[index];
    const last = index === this.current.turns.length - 1;
    // What was said later was said to the shorter answer, and stays with it. And a page that seems closed may only sleep.
    const own = last && turn.answers[lane]?.state !== "interrupted";
    this.#answer(own ? turn : this.#version(index), { only: lane, goesOn: true });
  }

  /**
   * Give back what the tools gave that a lane called.
   *
   * @param {number} index
   * @param {number} lane
   * @param {import("./conversation.js").ToolResult[]} results
   */
  giveResults(index, lane, results) {
    if (!this.#mayAsk()) return;
    this.#answer(newTurn(this.current, { parent: this.current.turns[index].id, results }), { only: lane });
  }

  /**
   * Show another version of a turn, and what followed it.
   *
   * @param {number} index
   * @param {number} step 1 or -1
   */
  turnTo(index, step) {
    const { current } = this;
    const turn = current.turns[index];
    const children = childrenIn(current.tree);
    const all = children.get(turn.parent) ?? [];
    const next = all[all.indexOf(turn) + step];
    if (this.running || !next) return;
    const head = latestLeaf(children, next.id);
    this.library.show(current, head);
    this.library.keep(current, { head });
    this.tell("turns");
  }

  /**
   * Another version of a turn, with the same text and copies of its answers.
   *
   * @param {number} index
   * @returns {Turn}
   */
  #version(index) {
    const { parent, text, results, answers } = this.current.turns[index];
    return newTurn(this.current, { parent, text, results, answers: structuredClone(answers) });
  }

  /** @returns {boolean} whether a request can be made now; if not, somebody is told why */
  #mayAsk() {
    if (this.running) return false;
    const { turns } = this.current;
    const wrong = this.drafts.problems.find(({ name }) => this.isActive(name));
    const why = wrong
      ? `Not sent: ${wrong.name} is not right yet. ${wrong.problem}`
      : turns.some(isRunning)
        ? "Not sent: another tab is answering in this conversation. Wait for its end, or begin a new one."
        : "";
    if (why) this.dispatchEvent(new CustomEvent("refused", { detail: { text: why, name: wrong?.name } }));
    return !why;
  }

  /**
   * Let lanes answer a turn, which is or becomes the last one shown.
   *
   * @param {Turn} turn
   * @param {{only?: number, goesOn?: boolean}} [how] only: one lane; goesOn: its answer has a beginning
   */
  async #answer(turn, { only, goesOn = false } = {}) {
    const conversation = this.current;
    const parameters = this.activeParameters;
    const running = new AbortController();
    this.answering = running;
    states.hurry = true;
    this.library.show(conversation, this.#added(turn));
    const index = conversation.turns.length - 1;
    const lanes = conversation.lanes.map((_, lane) => lane).filter((lane) => only === undefined || lane === only);
    const { more, done } = this.library.answering(conversation, turn);
    const work = lanes.map((lane) => {
      const before = goesOn ? turn.answers[lane] : null;
      const answer = before ? { ...before, state: /** @type {const} */ ("running"), finish: "", error: null } : newAnswer(conversation.lanes[lane], parameters);
      turn.answers[lane] = answer;
      const preface = states.get(answer.model)?.default_system ?? "";
      const instead = before ? { parameters: answer.parameters, lora: answer.lora, partial: answer.text, preface } : { parameters };
      const body = requestBody(conversation, index, lane, instead);
      const changed = () => {
        more();
        this.dispatchEvent(new CustomEvent("answer", { detail: { turn: turn.id, lane } }));
      };
      return fillIn(answer, body, running.signal, changed);
    });
    this.#keepAndTell(turn, "running");
    if (conversationInAddress() !== conversation.id) writeAddress(conversation.id, { replace: true });
    states.refresh();
    await Promise.all(work);
    if (this.answering === running) this.answering = null;
    states.hurry = false;
    done();
    this.tell("turns", "running");
    states.refresh();
  }

  /**
   * @param {Turn} turn
   * @returns {string} its id, now that the conversation has it
   */
  #added(turn) {
    this.current.tree.set(turn.id, turn);
    return turn.id;
  }

  /**
   * @param {Turn} turn
   * @param {...string} names
   */
  #keepAndTell(turn, ...names) {
    this.library.keepTurns(this.current, turn);
    this.tell("turns", ...names);
  }
}

export const playground = new Playground();
