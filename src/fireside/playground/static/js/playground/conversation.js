/** What a conversation is, and the request that each of its turns makes. Pure data: no page, no network. */

/**
 * How texts reach the model: as messages (scoped), as one prompt (unscoped), or as they are (raw).
 *
 * @typedef {"chat" | "prompt" | "raw"} Mode
 *
 * @typedef {object} Lane one of the one or two that answer
 * @property {string} model
 * @property {string} lora id or name of a fine-tune, or nothing
 *
 * @typedef {object} Answer
 * @property {string} text
 * @property {string} model
 * @property {string} lora
 * @property {string} servedBy
 * @property {"running" | "done" | "stopped" | "failed"} state
 * @property {Record<string, any>} parameters those it was made with
 * @property {boolean} edited
 * @property {{message: string, advice: string, code: number, requestId: string} | null} error
 * @property {import("../api/run.js").Usage | null} usage
 * @property {object[]} toolCalls
 * @property {number} pieces frames that brought text
 * @property {number | null} firstMs until the first text came
 * @property {number | null} lastMs until the latest text came
 *
 * @typedef {object} Turn
 * @property {string} id
 * @property {string} text
 * @property {(Answer | null)[]} answers one for each lane
 *
 * @typedef {object} Conversation
 * @property {string} id
 * @property {string} title
 * @property {number} updated milliseconds since 1970
 * @property {Mode} mode
 * @property {string} system
 * @property {Record<string, any>} parameters those that are set
 * @property {Lane[]} lanes
 * @property {Turn[]} turns
 */

export const MAX_LANES = 2;
const TITLE_LENGTH = 60;

/**
 * @param {Partial<Conversation>} [like] whose settings to begin with
 * @returns {Conversation}
 */
export function newConversation(like = {}) {
  return {
    id: crypto.randomUUID?.() ?? String(Math.random()).slice(2),
    title: "",
    updated: Date.now(),
    mode: like.mode ?? "chat",
    system: like.system ?? "",
    parameters: { ...(like.parameters ?? { stream: true }) },
    lanes: (like.lanes ?? []).map((lane) => ({ ...lane })),
    turns: [],
  };
}

/**
 * @param {string} text
 * @returns {Turn}
 */
export const newTurn = (text) => ({ id: newConversation().id, text, answers: [] });

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

/** @param {Conversation} conversation */
export const titleOf = ({ title, turns }) => title || shortened(turns[0]?.text ?? "") || "New conversation";

/** @param {string} text */
function shortened(text) {
  const line = text.trim().split("\n", 1)[0];
  return line.length > TITLE_LENGTH ? `${line.slice(0, TITLE_LENGTH - 1)}…` : line;
}

/**
 * The body of the request that a turn makes to a lane.
 *
 * @param {Conversation} conversation its turns before this one are what was said so far
 * @param {number} index of the turn; one that is not there yet has `text`
 * @param {number} lane
 * @param {{text?: string, parameters?: Record<string, any>, lora?: string}} [instead]
 * @returns {Record<string, any>}
 */
export function requestBody(conversation, index, lane, instead = {}) {
  const text = instead.text ?? conversation.turns[index]?.text ?? "";
  const lora = instead.lora ?? conversation.lanes[lane]?.lora;
  const parameters = instead.parameters ?? conversation.parameters;
  const rest = { ...parameters, ...(lora ? { lora } : {}) };
  if (conversation.mode === "prompt") return { prompt: text, ...rest };
  if (conversation.mode === "raw") return { prompt: text, raw: true, ...rest };
  const messages = conversation.system ? [{ role: "system", content: conversation.system }] : [];
  for (const turn of conversation.turns.slice(0, index)) {
    messages.push({ role: "user", content: turn.text });
    const said = turn.answers[lane]?.text || turn.answers.find((answer) => answer?.text)?.text;
    if (said) messages.push({ role: "assistant", content: said });
  }
  messages.push({ role: "user", content: text });
  return { messages, ...rest };
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
