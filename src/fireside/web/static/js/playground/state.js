// @ts-check
/** What the playground holds: the conversation that is shown, its settings, and those it can change to. */

import { listFineTunes, schemas } from "../api/client.js";
import { states } from "../api/states.js";
import { parametersOf } from "../code/schema.js";
import { toast } from "../lib/toast.js";
import { conversationInAddress, writeAddress } from "./address.js";
import { newConversation } from "./conversation.js";
import { Drafts } from "./drafts.js";
import { Library } from "./library.js";

/**
 * @typedef {import("./conversation.js").Conversation} Conversation
 * @typedef {import("./conversation.js").Lane} Lane
 */

/**
 * Tells `list` (the conversations), `open` (another one is shown), `settings`, `turns` (some came, went or changed),
 * `answer` (more of it; the event's detail has turn and lane), `running`, `finetunes`, and `refused` (why something was
 * not sent; the detail has the text).
 */
export class PlaygroundState extends EventTarget {
  library = new Library();
  drafts = new Drafts();
  /** @type {Conversation} */
  current = newConversation();
  /** @type {import("../code/schema.js").Parameter[]} */
  parameters = [];
  /** @type {import("../api/client.js").FineTune[]} */
  fineTunes = [];
  /** @type {AbortController | null} ends what this tab is answering */
  answering = null;
  #warned = "";

  get running() {
    return this.answering !== null;
  }

  get conversations() {
    return this.library.conversations;
  }

  /**
   * Read what is kept and what the server offers.
   *
   * @param {string | null} model the one the address names
   */
  async start(model) {
    this.#listen();
    await this.library.load().catch((error) => {
      const why = error?.message?.startsWith("Another tab") ? error.message : "This browser keeps no data for this page: conversations are lost when it is closed.";
      toast(why);
    });
    const wanted = (model && states.get(model)) || states.get(this.conversations[0]?.lanes[0]?.model ?? "");
    const lane = { model: wanted?.name ?? defaultModel(), lora: "" };
    this.current = newConversation({ lanes: [lane] });
    this.parameters = parametersOf((await schemas(lane.model)).input);
    const asked = conversationInAddress();
    if (asked) await this.#openAsked(asked);
    this.tell("list", "open", "settings", "turns");
    await this.refreshFineTunes();
  }

  #listen() {
    this.library.addEventListener("list", () => this.tell("list"));
    this.library.addEventListener("unwritten", (event) => this.#warn(/** @type {CustomEvent} */ (event).detail));
    this.library.addEventListener("merged", (event) => this.#merged(/** @type {CustomEvent} */ (event).detail));
    this.library.addEventListener("removed", (event) => {
      if (/** @type {CustomEvent} */ (event).detail !== this.current.id || this.running) return;
      toast("This conversation was deleted in another tab.");
      this.begin();
    });
    addEventListener("popstate", () => {
      const id = conversationInAddress();
      if (id !== this.current.id) id ? this.open(id, { written: true }) : this.begin({ written: true });
    });
  }

  /** @param {any} error of keeping something; text that comes is kept again and again, which is told once */
  #warn(error) {
    const text = unwritten(error);
    if (this.#warned !== text) toast(text);
    this.#warned = text;
  }

  /** @param {{conversation: string, turn?: string}} detail */
  #merged({ conversation, turn }) {
    if (conversation !== this.current.id) return;
    if (turn) this.tell("turns");
    else this.tell("settings");
  }

  /** @param {string} id */
  async #openAsked(id) {
    const found = this.library.get(id);
    if (!found) return toast("The address names a conversation that this browser does not have (any more).");
    await this.library.read(found);
    this.current = found;
    return undefined;
  }

  /** @param {string} reference id or name of a fine-tune */
  fineTuneName(reference) {
    return this.fineTunes.find((tune) => tune.id === reference)?.name ?? reference;
  }

  async refreshFineTunes() {
    this.fineTunes = await listFineTunes();
    this.tell("finetunes");
  }

  /**
   * Begin again, with the settings of now.
   *
   * @param {{written?: boolean}} [address] whether it says so already
   */
  begin({ written = false } = {}) {
    this.stop();
    this.current = newConversation(this.current);
    this.drafts.forget();
    if (!written) writeAddress("");
    this.tell("list", "open", "settings", "turns");
  }

  /**
   * @param {string} id
   * @param {{written?: boolean}} [address] whether it says so already
   */
  async open(id, { written = false } = {}) {
    const found = this.library.get(id);
    if (!found || found === this.current) return;
    this.stop();
    await this.library.read(found);
    this.current = found;
    this.drafts.forget();
    if (!written) writeAddress(id);
    this.tell("list", "open", "settings", "turns");
  }

  /**
   * @param {string} id
   * @param {string} title
   */
  rename(id, title) {
    const found = this.library.get(id);
    if (!found) return;
    this.library.keep(found, { title: title.trim() });
    this.tell("list");
  }

  /** @param {string} id */
  async remove(id) {
    const found = this.library.get(id);
    if (!found) return;
    if (this.current === found) this.begin();
    await this.library.remove(found);
  }

  /** @param {Conversation[]} conversations whole ones, from elsewhere */
  add(conversations) {
    for (const conversation of [...conversations].reverse()) this.library.keepTurns(conversation, ...conversation.tree.values());
    if (conversations[0]) this.open(conversations[0].id);
  }

  /**
   * Change settings of the current conversation.
   *
   * @param {Partial<import("./storage.js").Kept>} change
   */
  set(change) {
    if (this.library.get(this.current.id)) this.library.keep(this.current, change);
    else Object.assign(this.current, change);
    this.tell("settings");
  }

  /**
   * @param {string} name
   * @param {any} value undefined leaves it to the server
   */
  setParameter(name, value) {
    this.drafts.tell(name, "");
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
    this.tell("turns");
  }

  /**
   * The parameters that go with the current kind of prompt.
   *
   * @returns {Record<string, any>}
   */
  get activeParameters() {
    return Object.fromEntries(Object.entries(this.current.parameters).filter(([name]) => this.isActive(name)));
  }

  /** @param {string} name of a parameter */
  isActive(name) {
    const form = this.current.mode === "chat" ? "messages" : "prompt";
    return this.parameters.some((parameter) => parameter.name === name && parameter.forms.includes(form));
  }

  /** End what runs; the engine stops, too. */
  stop() {
    this.answering?.abort();
  }

  /** @param {...string} names */
  tell(...names) {
    for (const name of names) this.dispatchEvent(new Event(name));
  }
}

/** The server's default model, or the first there is. */
function defaultModel() {
  const { models, server } = states;
  return (models.find((model) => model.name === server.default_model) ?? models[0])?.name ?? "";
}

/** @param {any} error */
const unwritten = (error) =>
  error?.name === "QuotaExceededError"
    ? "The browser has no room for this conversation. Export and delete older ones."
    : "The browser could not keep this conversation. Export it before you close the page.";
