// @ts-check
/** What a conversation is. Pure data: no page, no network. */

/**
 * How texts reach the model: as messages (scoped), as one prompt (unscoped), or as they are (raw).
 *
 * @typedef {"chat" | "prompt" | "raw"} Mode
 *
 * @typedef {object} Lane one of the one or two that answer
 * @property {string} model
 * @property {string} lora id or name of a fine-tune, or nothing
 *
 * @typedef {object} ToolCall
 * @property {string} id
 * @property {string} name
 * @property {any} arguments an object, or the text of one
 *
 * @typedef {object} ToolResult what a tool gave, as somebody typed it
 * @property {string} id of the call
 * @property {string} name of the tool
 * @property {string} content
 *
 * @typedef {object} Answer
 * @property {string} text
 * @property {string} model
 * @property {string} lora
 * @property {string} servedBy
 * @property {"running" | "done" | "stopped" | "failed" | "interrupted"} state interrupted: its page was closed meanwhile
 * @property {string} finish why the model ended: "stop", "length", "tool_calls", or nothing
 * @property {Record<string, any>} parameters those it was made with
 * @property {boolean} edited
 * @property {{message: string, advice: string, code: number, requestId: string} | null} error
 * @property {import("../api/run.js").Usage | null} usage
 * @property {ToolCall[]} toolCalls
 * @property {number} pieces frames that brought text
 * @property {number | null} firstMs until the first text came
 * @property {number | null} lastMs until the latest text came
 *
 * @typedef {object} Turn
 * @property {string} id
 * @property {string} conversation
 * @property {string} parent the turn before; nothing for a first one
 * @property {number} made milliseconds since 1970
 * @property {string} text
 * @property {ToolResult[]} results in place of a text: what the tools gave that the answer before called
 * @property {(Answer | null)[]} answers one for each lane
 *
 * @typedef {object} Conversation
 * @property {string} id
 * @property {string} title as somebody named it
 * @property {string} opening its first words
 * @property {number} updated milliseconds since 1970
 * @property {Mode} mode
 * @property {string} system
 * @property {Record<string, any>} parameters those that are set
 * @property {Lane[]} lanes
 * @property {string} head id of the last turn that is shown
 * @property {import("./tree.js").Tree} tree all its turns
 * @property {Turn[]} turns those that are shown: the way from the first to the head
 * @property {boolean} whole whether the turns were read
 */

export const MAX_LANES = 2;
const TITLE_LENGTH = 60;

/** @returns {string} */
export const freshId = () => crypto.randomUUID?.() ?? [...crypto.getRandomValues(new Uint32Array(4))].join("-");

/**
 * @param {Partial<Conversation>} [like] whose settings to begin with
 * @returns {Conversation}
 */
export function newConversation(like = {}) {
  return {
    id: freshId(),
    title: "",
    opening: "",
    updated: Date.now(),
    mode: like.mode ?? "chat",
    system: like.system ?? "",
    parameters: { ...(like.parameters ?? { stream: true }) },
    lanes: (like.lanes ?? []).map((lane) => ({ ...lane })),
    head: "",
    tree: new Map(),
    turns: [],
    whole: true,
  };
}

/**
 * @param {Conversation} conversation
 * @param {Pick<Turn, "parent"> & Partial<Turn>} content
 * @returns {Turn}
 */
export const newTurn = ({ id }, { parent, text = "", results = [], answers = [] }) => ({
  id: freshId(),
  conversation: id,
  parent,
  made: Date.now(),
  text,
  results,
  answers,
});

/**
 * @param {Lane} lane
 * @param {Record<string, any>} parameters
 * @returns {Answer}
 */
export function newAnswer(lane, parameters) {
  return {
    text: "",
    model: lane.model,
    lora: lane.lora,
    servedBy: lane.model,
    state: "running",
    finish: "",
    parameters: { ...parameters },
    edited: false,
    error: null,
    usage: null,
    toolCalls: [],
    pieces: 0,
    firstMs: null,
    lastMs: null,
  };
}

/** @param {Pick<Conversation, "title" | "opening">} conversation */
export const titleOf = ({ title, opening }) => title || opening || "New conversation";

/**
 * The first line of a text, which stands for all of it.
 *
 * @param {string} text
 */
export function shortened(text) {
  const line = text.trim().split("\n", 1)[0];
  return line.length > TITLE_LENGTH ? `${line.slice(0, TITLE_LENGTH - 1)}…` : line;
}

/**
 * Whether more can come of an answer: the model was cut off, or somebody or something else ended it. What was held to
 * a form is not among them: a grammar begins again with each request.
 *
 * @param {Answer} answer
 */
export function canContinue({ state, finish, text, toolCalls, parameters }) {
  const cut = state === "done" ? finish === "length" : state !== "running";
  const held = ["response_format", "guided_json"].some((name) => parameters[name] !== undefined);
  return cut && text !== "" && toolCalls.length === 0 && !held;
}

/**
 * Tokens per second of an answer, once there are enough to tell. The first token is the prompt's time, not its own.
 *
 * @param {Answer} answer
 * @returns {number | null}
 */
export function speed({ usage, pieces, firstMs, lastMs }) {
  if (firstMs === null || lastMs === null) return null;
  const tokens = (usage?.completion_tokens ?? pieces) - 1;
  const seconds = (lastMs - firstMs) / 1000;
  return tokens > 0 && seconds > 0 ? tokens / seconds : null;
}
