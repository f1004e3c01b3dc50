// @ts-check
/** What went wrong, and what to do about it. */

/** What to do, by the API's error code. The message itself comes from the server and says what was wrong. */
const ADVICE = {
  3003: "Open “View code” to see the request as it was sent.",
  3006: "Send a shorter text, or ask the operator to raise FIRESIDE_MAX_BODY_BYTES.",
  3007: "Ask for fewer tokens, or try again when the machine is less busy.",
  3037: "It may have been deleted. Choose another fine-tune, or none.",
  3039: "Add the missing file under “Fine-tunes”, or choose another.",
  3040: "The queue is full. Wait a moment, then try again.",
  3043: "Try again. If it stays so, the server’s log says more under this request’s id.",
  5005: "Choose a model that takes fine-tunes, or send the request without one.",
  5006: "Correct the parameter it names.",
  5021: "Lower max_tokens, shorten the text, or start a new conversation.",
  5101: "Download the model first; its page has a button for it.",
  5102: "Delete the model’s folder and download it again.",
  5104: "Check the server’s network, then try again. What has arrived stays.",
  5111: "Choose a fine-tune that was made for this model.",
  10000: "Enter a token that may do this. `fireside token create` makes one.",
};

export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {{code?: number, status?: number, requestId?: string, advice?: string}} [details]
   */
  constructor(message, { code = 0, status = 0, requestId = "", advice } = {}) {
    super(message);
    this.name = "ApiError";
    this.code = code;
    this.status = status;
    this.requestId = requestId;
    this.advice = advice ?? /** @type {Record<number, string>} */ (ADVICE)[code] ?? "";
  }
}

/** The server cannot be reached. */
export function unreachable() {
  return new ApiError("The server does not answer.", {
    advice: "See whether `fireside serve` still runs in its terminal, then try again.",
  });
}

/** An answer that broke off without saying why. */
export function brokenOff() {
  return new ApiError("The connection ended before the answer did.", {
    advice: "The server may have stopped. See whether it still runs, then try again.",
  });
}

/**
 * The error that a response outside 2xx tells.
 *
 * @param {Response} response
 * @returns {Promise<ApiError>}
 */
export async function readError(response) {
  let error = { code: 0, message: "" };
  try {
    error = (await response.json()).errors[0];
  } catch {
    // Something in between, a proxy say, answered in its own way.
  }
  return new ApiError(error.message || `The server answered ${response.status} ${response.statusText}.`, {
    code: error.code,
    status: response.status,
    requestId: response.headers.get("cf-ai-req-id") ?? "",
  });
}

/**
 * Whether somebody asked for it: a request that was stopped is not a fault.
 *
 * @param {unknown} error
 */
export function isAbort(error) {
  return error instanceof DOMException && error.name === "AbortError";
}
