// @ts-check
/**
 * The conversations of this browser: in memory as far as they were opened, in its database, and in step with its other
 * tabs. What they say is merged into what is here; nothing replaces it.
 */

import { pathTo } from "./tree.js";
import * as storage from "./storage.js";

/**
 * @typedef {import("./conversation.js").Conversation} Conversation
 * @typedef {import("./conversation.js").Turn} Turn
 *
 * @typedef {{kind: "conversation", id: string} | {kind: "removed", id: string} |
 *   {kind: "turn", id: string, conversation: string} | {kind: "who", turns: string[]}} Message between tabs
 */

/** Text that comes is written at most this often. */
const WRITE_MS = 250;
/** A tab that runs an answer says so within this time. */
const REPLY_MS = 300;

export class Library extends EventTarget {
  /** @type {Conversation[]} the one that was changed last first */
  conversations = [];
  /** @type {Map<string, Conversation>} by id of the turn that this tab is answering */
  #running = new Map();
  /** @type {Map<string, ReturnType<typeof setTimeout>>} by id of the turn that is written soon */
  #soon = new Map();
  /** @type {Set<string>} ids of turns that another tab has told of since they were read */
  #heard = new Set();
  /** @type {Set<string>} ids of conversations that this tab has deleted: an answer that ends later brings none back */
  #removed = new Set();
  #others = new BroadcastChannel("fireside");

  async load() {
    this.#others.addEventListener("message", (event) => this.#hear(event.data).catch(() => {}));
    addEventListener("pagehide", () => this.#running.forEach((conversation, id) => this.#writeTurn(conversation, id)));
    this.conversations = (await storage.listConversations()).map(unread);
    this.#tell("list");
  }

  /**
   * @param {string} id
   * @returns {Conversation | undefined}
   */
  get(id) {
    return this.conversations.find((conversation) => conversation.id === id);
  }

  /**
   * Read the turns, if they were not. Answers that run in no tab are marked as interrupted.
   *
   * @param {Conversation} conversation
   */
  async read(conversation) {
    if (conversation.whole) return;
    for (const turn of await storage.readTurns(conversation.id)) {
      if (!conversation.tree.has(turn.id)) conversation.tree.set(turn.id, turn);
    }
    conversation.whole = true;
    conversation.turns = pathTo(conversation.tree, conversation.head);
    const open = [...conversation.tree.values()].filter(isRunning);
    if (!open.length) return;
    for (const { id } of open) this.#heard.delete(id);
    this.#say({ kind: "who", turns: open.map(({ id }) => id) });
    setTimeout(() => this.#interrupt(conversation, open), REPLY_MS);
  }

  /**
   * Show another way through the conversation.
   *
   * @param {Conversation} conversation
   * @param {string} head
   */
  show(conversation, head) {
    conversation.head = head;
    conversation.turns = pathTo(conversation.tree, head);
  }

  /**
   * Keep some fields.
   *
   * @param {Conversation} conversation
   * @param {Partial<import("./storage.js").Kept>} fields
   */
  keep(conversation, fields) {
    Object.assign(conversation, fields);
    this.#written(storage.write(conversation, fields), { kind: "conversation", id: conversation.id });
  }

  /**
   * Keep a new or changed turn, and bring the conversation to the top of the list.
   *
   * @param {Conversation} conversation
   * @param {...Turn} turns
   */
  keepTurns(conversation, ...turns) {
    for (const turn of turns) conversation.tree.set(turn.id, turn);
    const { opening, head } = conversation;
    const updated = Date.now();
    conversation.updated = updated;
    this.conversations = [conversation, ...this.conversations.filter((other) => other !== conversation)];
    this.#tell("list");
    const work = storage.write(conversation, { updated, opening, head }, turns);
    this.#written(work, ...turns.map(({ id }) => message(id, conversation)));
  }

  /**
   * This tab answers the turn, until the function that it gets is called. What comes is kept as it comes.
   *
   * @param {Conversation} conversation
   * @param {Turn} turn
   * @returns {{more: () => void, done: () => void}}
   */
  answering(conversation, turn) {
    this.#running.set(turn.id, conversation);
    const write = () => this.#writeTurn(conversation, turn.id);
    return {
      more: () => {
        if (!this.#soon.has(turn.id)) this.#soon.set(turn.id, setTimeout(write, WRITE_MS));
      },
      done: () => {
        this.#running.delete(turn.id);
        write();
      },
    };
  }

  /** @param {Conversation} conversation */
  async remove(conversation) {
    this.#removed.add(conversation.id);
    this.conversations = this.conversations.filter((other) => other !== conversation);
    this.#tell("list");
    await storage.removeConversation(conversation.id).catch(() => {});
    this.#say({ kind: "removed", id: conversation.id });
  }

  /**
   * @param {Conversation} conversation
   * @param {string} id
   */
  #writeTurn(conversation, id) {
    clearTimeout(this.#soon.get(id));
    this.#soon.delete(id);
    const turn = conversation.tree.get(id);
    if (turn && !this.#removed.has(conversation.id)) this.#written(storage.write(conversation, {}, [turn]), message(id, conversation));
  }

  /**
   * Tell the other tabs, once it is written.
   *
   * @param {Promise<unknown>} work
   * @param {...Message} messages
   */
  #written(work, ...messages) {
    work.then(
      () => messages.forEach((one) => this.#say(one)),
      (error) => this.dispatchEvent(new CustomEvent("unwritten", { detail: error })),
    );
  }

  /** @param {Message} said */
  #say(said) {
    this.#others.postMessage(said);
  }

  /** @param {Message} said by another tab */
  async #hear(said) {
    if (said.kind === "who") {
      for (const id of said.turns) {
        const conversation = this.#running.get(id);
        if (conversation) this.#say(message(id, conversation));
      }
    } else if (said.kind === "removed") {
      this.conversations = this.conversations.filter(({ id }) => id !== said.id);
      this.#tell("list");
      this.dispatchEvent(new CustomEvent("removed", { detail: said.id }));
    } else if (said.kind === "conversation") {
      await this.#merge(said.id);
    } else {
      await this.#mergeTurn(said);
    }
  }

  /** @param {string} id */
  async #merge(id) {
    const record = await storage.readConversation(id);
    if (!record) return;
    const here = this.get(id);
    // Which of its turns are shown is this tab's own affair.
    if (here) Object.assign(here, { ...record, head: here.head });
    else this.conversations.push(unread(record));
    this.conversations.sort((a, b) => b.updated - a.updated);
    this.#tell("list");
    this.dispatchEvent(new CustomEvent("merged", { detail: { conversation: id } }));
  }

  /** @param {{id: string, conversation: string}} said */
  async #mergeTurn({ id, conversation: owner }) {
    if (this.#running.has(id)) return;
    this.#heard.add(id);
    const record = await storage.readTurn(id);
    if (!this.get(owner)?.tree.has(id)) await this.#merge(owner);
    const here = this.get(owner);
    if (!record || !here?.whole) return;
    const turn = here.tree.get(id);
    if (turn) Object.assign(turn, record);
    else here.tree.set(id, record);
    // Another tab goes on where this one stands: follow it.
    if (!turn && record.parent === here.head) this.show(here, id);
    this.dispatchEvent(new CustomEvent("merged", { detail: { conversation: owner, turn: id } }));
  }

  /**
   * @param {Conversation} conversation
   * @param {Turn[]} turns that no tab may be running
   */
  #interrupt(conversation, turns) {
    for (const turn of turns) {
      if (this.#running.has(turn.id) || this.#heard.has(turn.id)) continue;
      for (const answer of turn.answers) if (answer?.state === "running") answer.state = "interrupted";
      this.dispatchEvent(new CustomEvent("merged", { detail: { conversation: conversation.id, turn: turn.id } }));
    }
  }

  /** @param {...string} names */
  #tell(...names) {
    for (const name of names) this.dispatchEvent(new Event(name));
  }
}

/**
 * @param {import("./storage.js").Kept} record
 * @returns {Conversation}
 */
const unread = (record) => ({ ...record, tree: new Map(), turns: [], whole: false });

/** @param {Turn} turn */
export const isRunning = (turn) => turn.answers.some((answer) => answer?.state === "running");

/**
 * @param {string} id
 * @param {Conversation} conversation
 * @returns {Message}
 */
const message = (id, conversation) => ({ kind: "turn", id, conversation: conversation.id });
