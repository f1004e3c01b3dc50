// @ts-check
/** The request that each turn of a conversation makes. Pure data. */

/**
 * @typedef {import("./conversation.js").Answer} Answer
 * @typedef {import("./conversation.js").Conversation} Conversation
 * @typedef {import("./conversation.js").Turn} Turn
 */

/**
 * The body of the request that a turn makes to a lane.
 *
 * @param {Conversation} conversation its turns before this one are what was said so far
 * @param {number} index of the turn; one that is not there yet has `text`
 * @param {number} lane
 * @param {{text?: string, parameters?: Record<string, any>, lora?: string, partial?: string, preface?: string}} [instead]
 *   partial: the beginning of the answer, which the model is to go on from; preface: the model's default system message,
 *   which an unscoped prompt has by itself
 * @returns {Record<string, any>}
 */
export function requestBody(conversation, index, lane, instead = {}) {
  const { mode, system, turns } = conversation;
  const { partial = "", preface = "" } = instead;
  const turn = turns[index];
  const text = instead.text ?? turn?.text ?? "";
  const lora = instead.lora ?? conversation.lanes[lane]?.lora;
  const rest = { ...(instead.parameters ?? conversation.parameters), ...(lora ? { lora } : {}) };
  if (mode === "raw") return { prompt: text + partial, raw: true, ...rest };
  if (mode === "prompt" && !partial) return { prompt: text, ...rest };
  const messages = [];
  const first = mode === "prompt" ? preface : system;
  if (first) messages.push({ role: "system", content: first });
  if (mode === "chat") messages.push(...turns.slice(0, index).flatMap((before, at) => said(turns, before, at, lane)));
  if (turn?.results.length && instead.text === undefined) messages.push(...given(turns, turn, index, lane));
  else messages.push({ role: "user", content: text });
  if (partial) messages.push({ role: "assistant", content: partial });
  return { messages, ...rest };
}

/**
 * A turn that is over, as messages.
 *
 * @param {Turn[]} turns
 * @param {Turn} turn
 * @param {number} at
 * @param {number} lane
 * @returns {object[]}
 */
function said(turns, turn, at, lane) {
  const answer = answerOf(turn, lane);
  const asked = turn.results.length ? given(turns, turn, at, lane) : [{ role: "user", content: turn.text }];
  if (!answer) return asked;
  const next = turns[at + 1];
  // Calls without a result say nothing that a model could go on from.
  const calls = next?.results.length ? answer.toolCalls.filter(({ id }) => next.results.some((one) => one.id === id)) : [];
  const message = { role: "assistant", content: answer.text, ...(calls.length ? { tool_calls: calls.map(written) } : {}) };
  return calls.length || answer.text ? [...asked, message] : asked;
}

/**
 * What the tools gave that this lane called.
 *
 * @param {Turn[]} turns
 * @param {Turn} turn
 * @param {number} at
 * @param {number} lane
 */
function given(turns, turn, at, lane) {
  const calls = turns[at - 1] && answerOf(turns[at - 1], lane)?.toolCalls;
  return turn.results
    .filter((result) => calls?.some(({ id }) => id === result.id))
    .map(({ id, name, content }) => ({ role: "tool", tool_call_id: id, name, content }));
}

/** A call as OpenAI's clients write it, which every route takes. */
const written = (/** @type {import("./conversation.js").ToolCall} */ call) => ({
  id: call.id,
  type: "function",
  function: {
    name: call.name,
    arguments: typeof call.arguments === "string" ? call.arguments : JSON.stringify(call.arguments),
  },
});

/**
 * What a lane said; where it said nothing, another one.
 *
 * @param {Turn} turn
 * @param {number} lane
 * @returns {Answer | null}
 */
function answerOf(turn, lane) {
  const spoke = (/** @type {Answer | null} */ answer) => Boolean(answer && (answer.text || answer.toolCalls.length));
  return [turn.answers[lane] ?? null, ...turn.answers].find(spoke) ?? null;
}
