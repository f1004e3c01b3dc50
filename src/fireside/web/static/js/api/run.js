// @ts-check
/** One text generation, streamed or not, as one kind of events. */

import { ApiError, brokenOff, isAbort } from "./errors.js";
import { eventData } from "./events.js";
import { modelSegments } from "./paths.js";
import { accountPath, request } from "./session.js";

/**
 * @typedef {object} Usage
 * @property {number} prompt_tokens
 * @property {number} completion_tokens
 * @property {number} total_tokens
 */

/**
 * What comes of a run. `servedBy` is first; the last one has `usage`.
 *
 * @typedef {object} RunEvent
 * @property {string} [servedBy] the model that answers, when it is not the one that was asked
 * @property {string} [text] a piece of the answer
 * @property {{id: string, name: string, arguments: any}[]} [toolCalls]
 * @property {Usage} [usage]
 * @property {string} [finish] why the model ended: "stop", "length" or "tool_calls"
 */

/**
 * Run a model. Aborting the signal ends the connection, and with it the generation.
 *
 * @param {string} model
 * @param {Record<string, unknown>} body
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<RunEvent, void, void>}
 * @throws {ApiError}
 */
export async function* run(model, body, signal) {
  const response = await request(`${await accountPath()}/run/${modelSegments(model)}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });
  yield { servedBy: response.headers.get("fireside-served-by") ?? model };
  try {
    if (body.stream) yield* streamed(response);
    else yield* whole(response);
  } catch (error) {
    throw error instanceof ApiError || isAbort(error) ? error : brokenOff();
  }
}

/** @param {Response} response */
async function* streamed(response) {
  for await (const data of eventData(/** @type {ReadableStream<Uint8Array>} */ (response.body))) {
    if (data === "[DONE]") return;
    const frame = JSON.parse(data);
    if (frame.error) {
      const requestId = response.headers.get("cf-ai-req-id") ?? "";
      throw new ApiError(frame.error.message, { code: frame.error.code, requestId });
    }
    yield event(frame);
  }
  throw brokenOff();
}

/** @param {Response} response */
async function* whole(response) {
  const { result } = await response.json();
  yield event(result);
}

/**
 * @param {any} said a result, or a frame of a stream
 * @returns {RunEvent}
 */
function event({ response, tool_calls: calls, usage, finish_reason: finish }) {
  // In JSON mode the result is the value itself.
  const text = typeof response === "string" ? response : response == null ? "" : JSON.stringify(response, null, 2);
  const toolCalls = calls?.map((/** @type {any} */ call) => ({ id: call.id ?? "", name: call.name, arguments: call.arguments }));
  return { text, toolCalls, usage, finish: finish ?? undefined };
}
