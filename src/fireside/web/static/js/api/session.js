// @ts-check
/**
 * Requests to this server, with the token where one is needed.
 *
 * The token is kept for this browser tab alone, in its session storage: never in a URL, never in what stays.
 */

import { isAbort, readError, unreachable } from "./errors.js";
import { segment } from "./paths.js";

const KEY = "fireside.token";

/** @type {Promise<boolean> | null} */
let asking = null;

/** @type {Promise<string> | null} */
let accountId = null;

let inMemory = "";

/** @returns {string} the token, or nothing */
function token() {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return inMemory;
  }
}

/** @param {string} value nothing forgets it */
function setToken(value) {
  accountId = null;
  inMemory = value;
  try {
    if (value) sessionStorage.setItem(KEY, value);
    else sessionStorage.removeItem(KEY);
  } catch {
    // Kept in memory, then.
  }
}

/** @returns {boolean} whether requests carry a token */
export const hasToken = () => token() !== "";

/**
 * Fetch from this server. When it wants a token, ask for one and try again.
 *
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<Response>} a response with a status of 2xx
 * @throws {import("./errors.js").ApiError}
 */
export async function request(path, options = {}) {
  const response = await respond(path, options);
  if (response.ok) return response;
  throw await readError(response);
}

/**
 * The same, for those who want any response, good or bad.
 *
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 * @throws {import("./errors.js").ApiError} when the server cannot be reached
 */
export async function respond(path, options = {}) {
  for (;;) {
    const sent = token();
    const response = await send(path, options, sent);
    // Meanwhile another request may have asked: then this one tries the new token first.
    if (response.status !== 401 || (sent === token() && !(await askForToken(sent !== "")))) return response;
  }
}

/**
 * Whether the server takes this token.
 *
 * @param {string} candidate
 */
async function isGood(candidate) {
  return (await send("/client/v4/user/tokens/verify", {}, candidate)).ok;
}

/** @returns {Promise<string>} the account that requests are made for */
export function account() {
  accountId ??= request("/client/v4/accounts")
    .then((response) => response.json())
    .then((body) => body.result[0].id)
    .catch((error) => {
      accountId = null;
      throw error;
    });
  return accountId;
}

/** @returns {Promise<string>} the path that an account's routes begin with */
export const accountPath = async () => `/client/v4/accounts/${segment(await account())}/ai`;

/**
 * @param {string} path
 * @param {RequestInit} options
 * @param {string} bearer
 */
async function send(path, options, bearer) {
  const headers = new Headers(options.headers);
  if (bearer) headers.set("authorization", `Bearer ${bearer}`);
  try {
    return await fetch(path, { cache: "no-store", redirect: "error", ...options, headers });
  } catch (error) {
    throw isAbort(error) ? error : unreachable();
  }
}

/** @returns {Promise<boolean>} whether there is a new token; several requests at once ask once */
function askForToken(/** @type {boolean} */ refused) {
  asking ??= import("../parts/token-dialog.js")
    .then((dialog) => dialog.askForToken(refused, { isGood, setToken }))
    .finally(() => {
      asking = null;
    });
  return asking;
}
