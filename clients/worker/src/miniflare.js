// @ts-check
// Options for miniflare, and for whatever passes options on to it: vitest's Workers pool, for one.

import { readFileSync } from "node:fs";
import { bindingURL } from "./ai.js";

/**
 * The value of miniflare's option `ai`: Cloudflare's own binding, with Fireside behind it. For a server without tokens.
 *
 * @param {string} url
 */
export function firesideAI(url, { account = "local", binding = "AI" } = {}) {
  return { binding, remoteProxyConnectionString: new URL(bindingURL(url, account)) };
}

/**
 * A member of miniflare's `workers`, for `wrappedBindings: { AI: "fireside-ai" }`: works with a token, too.
 *
 * @param {string} url
 * @param {{account?: string, token?: string, name?: string}} options
 */
export function firesideWorker(url, { account = "local", token, name = "fireside-ai" } = {}) {
  return {
    name,
    modules: [{ type: "ESModule", path: "ai.js", contents: readFileSync(new URL("ai.js", import.meta.url), "utf8") }],
    bindings: { FIRESIDE_URL: url, FIRESIDE_ACCOUNT: account, ...(token && { FIRESIDE_TOKEN: token }) },
  };
}
