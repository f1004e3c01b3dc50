/** What the playground holds and does. The views show it, and ask it to change. */

import { listFineTunes, schemas } from "../api/client.js";
import { states } from "../api/states.js";
import { parametersOf } from "../code/schema.js";
import { toast } from "../lib/toast.js";
import { fillIn } from "./answering.js";
import { MAX_LANES, newAnswer, newConversation, newTurn, requestBody } from "./conversation.js";
import * as storage from "./storage.js";

/**
 * @typedef {import("./conversation.js").Conversation} Conversation
 * @typedef {import("./conversation.js").Lane} Lane
 */

/**
 * Tells `list` (the conversations), `open` (another one is shown), `settings`, `turns` (some came, went or changed),
 * `answer` (more of it; the event's detail has turn and lane), `running` and `finetunes`.
 */
class Playground extends EventTarget {
  /** @type {Conversation[]} */
  conversations = [];
  /** @type {Conversation} */
  current = newConversation();
  /** @type {import("../code/schema.js").Parameter[]} */
  parameters = [];
  /** @type {import("../api/client.js").FineTune[]} */
  fineTunes = [];
  /** @type {AbortController | null} */
  #running = null;

  get running() {
    return this.#running !== null;
  }

  /**
   * Read what is kept and what the server offers.
   *
   * @param {string | null} model the one the address names
   */
  async start(model) {
    try {
      this.conversations = await storage.loadAll();
    } catch {
      toast("This browser keeps no data for this page: conversations are lost when it is closed.");
    }
    const wanted = model && states.get(model) ? model : (this.conversations[0]?.lanes[0]?.model ?? "");
    const lane = { model: states.get(wanted) ? wanted : defaultModel(), lora: "" };
    this.current = newConversation({ lanes: [lane] });
    this.parameters = parametersOf((await schemas(lane.model)).input);
    this.#tell("list", "open", "settings", "turns");
    await this.refreshFineTunes();
  }

  async refreshFineTunes() {
    this.fineTunes = await listFineTunes();
    this.#tell("finetunes");
  }

  /** Begin anew, with the settings of now. */
  begin() {
    this.stop();
    this.current = newConversation(this.current);
    this.#tell("list", "open", "settings", "turns");
  }

  /** @param {string} id */
  open(id) {
    const found = this.conversations.find((conversation) => conversation.id === id);
    if (!found || found === this.current) return;
    this.stop();
    this.current = found;
    this.#tell("list", "open", "settings", "turns");
  }

  /**
   * @param {string} id
   * @param {string} title
   */
  rename(id, title) {
    const found = this.conversations.find((conversation) => conversation.id === id);
    if (!found) return;
    found.title = title.trim();
    this.#keep(found);
  }

  /** @param {string} id */
  async remove(id) {
    this.conversations = this.conversations.filter((conversation) => conversation.id !== id);
    if (this.current.id === id) this.begin();
    this.#tell("list");
    await storage.remove(id).catch(() => {});
  }

  /** @param {Conversation[]} conversations */
  add(conversations) {
    for (const conversation of conversations) this.#keep(conversation);
    if (conversations[0]) this.open(conversations[0].id);
  }

  /**
   * Change settings of the current conversation.
   *
   * @param {Partial<Conversation>} change
   */
  set(change) {
    Object.assign(this.current, change);
    if (this.current.turns.length) this.#keep(this.current);
    this.#tell("settings");
  }

  /**
   * @param {string} name
   * @param {any} value undefined leaves it to the server
   */
  setParameter(name, value) {
    const { [name]: _, ...rest } = this.current.parameters;
    this.set({ parameters: value === undefined ? rest : { ...rest, [name]: value } });
  }

  /**
   * @param {number} index
   * @param {Partial<Lane>} change
   */
  setLane(index, change) {
    const lanes = this.current.lanes.map((lane, other) => (other === index ? { ...lane, ...change } : lane));
    this.set({ lanes });
  }

  /** @param {boolean} on two lanes rather than one */
  compare(on) {
    const first = this.current.lanes[0];
    this.set({ lanes: on ? [first, { ...first }] : [first] });
    this.#tell("turns");
  }

  /**
   * The parameters that go with the current kind of prompt.
   *
   * @returns {Record<string, any>}
   */
  get activeParameters() {
    const form = this.current.mode === "chat" ? "messages" : "prompt";
    const offered = this.parameters.filter((parameter) => parameter.forms.includes(form)).map(({ name }) => name);
    return Object.fromEntries(Object.entries(this.current.parameters).filter(([name]) => offered.includes(name)));
  }

  /**
   * Say something, and let every lane answer.
   *
   * @param {string} text
   */
  async send(text) {
    if (this.running) return;
    this.current.turns.push(newTurn(text));
    await this.#answer(this.current.turns.length - 1);
  }

  /**
   * Say something else in a turn, and go on from there. What came after it is gone, unless one undoes it.
   *
   * @param {number} index
   * @param {string} text
   */
  async edit(index, text) {
    if (this.running) return;
    this.#cut(index, newTurn(text));
    await this.#answer(index);
  }

  /**
   * Put other words into a lane's mouth, and go on from there.
   *
   * @param {number} index
   * @param {number} lane
   * @param {string} text
   */
  editAnswer(index, lane, text) {
    const turn = this.current.turns[index];
    const before = turn.answers[lane];
    if (this.running || !before) return;
    const answers = [...turn.answers];
    answers[lane] = { ...before, text, edited: true, state: "done", error: null };
    this.#cut(index, { ...turn, answers });
    this.#keep(this.current);
  }

  /**
   * Answer the turn again: what came after it is gone, unless one undoes it.
   *
   * @param {number} index
   * @param {number} [lane] all, when none is named
   */
  async again(index, lane) {
    if (this.running) return;
    const turn = this.current.turns[index];
    if (index < this.current.turns.length - 1) this.#cut(index, { ...turn, answers: [...turn.answers] });
    await this.#answer(index, lane);
  }

  /** End what runs; the engine stops, too. */
  stop() {
    this.#running?.abort();
  }

  /**
   * Replace a turn and drop those behind it, with a way back.
   *
   * @param {number} index
   * @param {import("./conversation.js").Turn} turn
   */
  #cut(index, turn) {
    const conversation = this.current;
    const before = conversation.turns;
    conversation.turns = [...before.slice(0, index), turn];
    this.#tell("turns");
    const lost = before.length - index - 1;
    if (!lost) return;
    toast(lost === 1 ? "The turn behind it was dropped." : `The ${lost} turns behind it were dropped.`, {
      label: "Undo",
      run: () => {
        this.stop();
        conversation.turns = before;
        this.#keep(conversation);
        this.#tell("turns");
      },
    });
  }

  /**
   * @param {number} index
   * @param {number} [only]
   */
  async #answer(index, only) {
    const conversation = this.current;
    const turn = conversation.turns[index];
    const running = new AbortController();
    this.#running = running;
    states.hurry = true;
    const lanes = conversation.lanes.map((_, lane) => lane).filter((lane) => only === undefined || lane === only);
    const parameters = this.activeParameters;
    const work = lanes.map((lane) => {
      const answer = newAnswer(conversation.lanes[lane], parameters);
      turn.answers[lane] = answer;
      const body = requestBody(conversation, index, lane, { parameters });
      const tell = () => this.dispatchEvent(new CustomEvent("answer", { detail: { turn: turn.id, lane } }));
      return { answer, body, tell };
    });
    this.#keep(conversation);
    this.#tell("turns", "running");
    states.refresh();
    await Promise.all(work.map(({ answer, body, tell }) => fillIn(answer, body, running.signal, tell)));
    if (this.#running === running) this.#running = null;
    states.hurry = false;
    this.#keep(conversation);
    this.#tell("running");
    states.refresh();
  }

  /** @param {Conversation} conversation */
  #keep(conversation) {
    conversation.updated = Date.now();
    this.conversations = [conversation, ...this.conversations.filter((other) => other !== conversation)];
    storage.save(conversation).catch((error) => {
      toast(
        error?.name === "QuotaExceededError"
          ? "The browser has no room for this conversation. Export and delete older ones."
          : "The browser could not keep this conversation. Export it before you close the page.",
      );
    });
    this.#tell("list");
  }

  /** @param {...string} names */
  #tell(...names) {
    for (const name of names) this.dispatchEvent(new Event(name));
  }
}

/** The server's default model, or the first there is. */
function defaultModel() {
  const { models, server } = states;
  return (models.find((model) => model.name === server.default_model) ?? models[0])?.name ?? "";
}

export { MAX_LANES };
export const playground = new Playground();
