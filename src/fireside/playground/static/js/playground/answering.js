/** One answer while it comes: text, counts and times, until it is done, stopped or failed. */

import { isAbort } from "../api/errors.js";
import { run } from "../api/run.js";

/**
 * Fill the answer in. Never throws: what went wrong becomes part of the answer.
 *
 * @param {import("./conversation.js").Answer} answer
 * @param {Record<string, any>} body
 * @param {AbortSignal} signal
 * @param {() => void} changed called whenever there is more of it
 */
export async function fillIn(answer, body, signal, changed) {
  const began = performance.now();
  try {
    for await (const event of run(answer.model, body, signal)) {
      if (event.servedBy) answer.servedBy = event.servedBy;
      if (event.text) {
        answer.lastMs = performance.now() - began;
        answer.firstMs ??= answer.lastMs;
        answer.text += event.text;
        answer.pieces += 1;
      }
      if (event.toolCalls?.length) answer.toolCalls.push(...event.toolCalls);
      if (event.usage) answer.usage = event.usage;
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
