// @ts-check
/** One answer while it comes: text, counts and times, until it is done, stopped or failed. */

import { isAbort } from "../api/errors.js";
import { run } from "../api/run.js";

/**
 * Fill the answer in; what it has already stays in front. Never throws: what went wrong becomes part of the answer.
 *
 * @param {import("./conversation.js").Answer} answer
 * @param {Record<string, any>} body
 * @param {AbortSignal} signal
 * @param {() => void} changed called whenever there is more of it
 */
export async function fillIn(answer, body, signal, changed) {
  const before = { usage: answer.usage, pieces: answer.pieces };
  // The times go on from where they stood: what somebody thought about in between is not speed.
  const began = performance.now() - (answer.lastMs ?? 0);
  try {
    for await (const event of run(answer.model, body, signal)) {
      if (event.servedBy) answer.servedBy = event.servedBy;
      if (event.text) {
        answer.lastMs = performance.now() - began;
        answer.firstMs ??= answer.lastMs;
        answer.text += event.text;
        answer.pieces += 1;
      }
      for (const call of event.toolCalls ?? []) {
        // Results name the call they belong to.
        answer.toolCalls.push({ ...call, id: call.id || `call_${answer.toolCalls.length + 1}` });
      }
      if (event.usage) answer.usage = together(before, event.usage);
      if (event.finish) answer.finish = event.finish;
      changed();
    }
    answer.state = "done";
  } catch (error) {
    if (isAbort(error)) {
      answer.state = "stopped";
    } else {
      answer.state = "failed";
      const { message, advice = "", code = 0, requestId = "" } = /** @type {any} */ (error);
      answer.error = { message, advice, code, requestId };
    }
  }
  changed();
}

/**
 * Tokens of an answer that came in several requests. What had come before is part of the later prompt.
 *
 * @param {{usage: import("../api/run.js").Usage | null, pieces: number}} before
 * @param {import("../api/run.js").Usage} usage
 */
function together({ usage: earlier, pieces }, usage) {
  const made = earlier?.completion_tokens ?? pieces;
  return {
    prompt_tokens: Math.max(0, usage.prompt_tokens - made),
    completion_tokens: usage.completion_tokens + made,
    total_tokens: usage.total_tokens,
  };
}
