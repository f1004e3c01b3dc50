// @ts-check
// `env.AI` over HTTP: Cloudflare's own binding (workerd's ai-api.ts, aig-api.ts), its calls sent to Fireside.
// Needs nothing but fetch, and is one module, since miniflare takes a wrapped binding only like that.

/**
 * @import {AiOptions, FiresideVariables, GatewayRequest, ModelsSearchParams} from "./ai.d.ts"
 * @typedef {{[name: string]: any}} Inputs a run's, as the Worker gives them
 */

const BINDING = "https://workers-binding.ai"; // where the binding's calls go; here only their paths count

export class InferenceUpstreamError extends Error {
  /** @param {string} message */
  constructor(message, name = "InferenceUpstreamError") {
    super(message);
    this.name = name;
  }
}

export class AiInternalError extends Error {
  /**
   * @param {string} message
   * @param {ErrorOptions} [options]
   */
  constructor(message, options) {
    super(message, options);
    this.name = "AiInternalError";
  }
}

export class AiGatewayInternalError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = "AiGatewayInternalError";
  }
}

export class AiGatewayLogNotFound extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = "AiGatewayLogNotFound";
  }
}

export class Ai {
  #base;
  #token;

  /** @type {string | null} */
  lastRequestId = null;
  /** @type {string | null} */
  aiGatewayLogId = null;
  /** @type {number | null} */
  lastRequestHttpStatusCode = null;
  /** @type {number | null} */
  lastRequestInternalStatusCode = null;

  /** @param {FiresideVariables} variables */
  constructor({ FIRESIDE_URL, FIRESIDE_ACCOUNT = "local", FIRESIDE_TOKEN } = {}) {
    if (!FIRESIDE_URL) throw new AiInternalError("FIRESIDE_URL is not set: give it the address of a Fireside server.");
    this.#base = bindingURL(FIRESIDE_URL, FIRESIDE_ACCOUNT);
    this.#token = FIRESIDE_TOKEN;
  }

  /**
   * @param {string} model
   * @param {Inputs} inputs
   * @param {AiOptions & {sessionOptions?: {extraHeaders?: Record<string, string>}}} options
   * @returns {Promise<any>} the answer, its stream, or the response itself
   */
  async run(model, inputs, options = {}) {
    const { prefix, extraHeaders, sessionOptions, signal, ...sent } = options;
    const [path, init] = call(inputs, sent);
    const response = await this.fetch(BINDING + path, {
      ...init,
      headers: {
        ...sessionOptions?.extraHeaders,
        ...extraHeaders,
        ...init.headers,
        "cf-consn-sdk-version": "2.0.0",
        "cf-consn-model-id": prefix ? `${prefix}:${model}` : model,
      },
      signal,
    });
    this.lastRequestId = response.headers.get("cf-ai-req-id");
    this.aiGatewayLogId = response.headers.get("cf-aig-log-id");
    this.lastRequestHttpStatusCode = response.status;
    this.lastRequestInternalStatusCode = null;
    if (sent.returnRawResponse || sent.websocket) return response;
    if (!response.ok || !response.body) throw await this.#error(response);
    const isJson = /^application\/json\b/.test(response.headers.get("content-type") ?? "");
    return isJson ? response.json() : response.body;
  }

  /** @param {ModelsSearchParams} params */
  async models(params = {}) {
    const query = new URLSearchParams(/** @type {Record<string, string>} */ (params));
    const response = await this.fetch(`${BINDING}/ai-api/models/search?${query}`);
    if (!response.ok) throw new AiInternalError((await this.#error(response)).message);
    return (await response.json()).result;
  }

  /**
   * Any call of the binding's, by its path: of the address nothing else counts.
   *
   * @param {Request | URL | string} input
   * @param {RequestInit} init
   */
  async fetch(input, init = {}) {
    const given = /** @type {Partial<Request>} */ (input);
    const { pathname, search } = new URL(given.url ?? String(input));
    const address = this.#base + pathname + search;
    const headers = new Headers(init.headers ?? given.headers);
    if (this.#token) headers.set("authorization", `Bearer ${this.#token}`);
    try {
      // A redirect is not followed: it could carry the token elsewhere.
      const request = input instanceof Request ? new Request(address, input) : address;
      return await fetch(request, { ...init, headers, redirect: "manual" });
    } catch (cause) {
      if ((init.signal ?? given.signal)?.aborted) throw cause;
      const { message } = /** @type {Error} */ (cause);
      throw new AiInternalError(`Fireside cannot be reached at ${new URL(this.#base).origin}: ${message}`, { cause });
    }
  }

  /** @param {string} id */
  gateway(id) {
    return new AiGateway(this, id);
  }

  getLogs() {
    return [];
  }

  /** @param {unknown} [files] */
  toMarkdown(files) {
    const refused = refusal("toMarkdown");
    const service = { transform: refused, supported: refused };
    return files === undefined ? service : service.transform();
  }

  autorag() {
    const refused = refusal("autorag", "AutoRAGNotFoundError");
    return { list: refused, search: refused, aiSearch: refused };
  }

  aiSearch() {
    throw notOffered("aiSearch");
  }

  /** @param {Response} response */
  async #error(response) {
    const text = await response.text();
    let said;
    try {
      said = JSON.parse(text);
    } catch {
      // Not Fireside's own words: a proxy's or a tunnel's page.
    }
    if (!said?.internalCode) return new InferenceUpstreamError(text || `HTTP status ${response.status}`);
    this.lastRequestInternalStatusCode = said.internalCode;
    return new InferenceUpstreamError(`${said.internalCode}: ${said.description}`, said.name);
  }
}

// Fireside is its own gateway, and keeps no logs.
export class AiGateway {
  #ai;
  #path;

  /**
   * @param {Ai} ai
   * @param {string} id
   */
  constructor(ai, id) {
    this.#ai = ai;
    this.#path = (/** @type {(id: string) => string} */ what) => `${BINDING}/ai-gateway/${what(encodeURIComponent(id))}`;
  }

  /**
   * One request, or several of which the first that succeeds counts.
   *
   * @param {GatewayRequest | GatewayRequest[]} data
   * @param {{extraHeaders?: Record<string, string>, signal?: AbortSignal}} options
   */
  run(data, { extraHeaders, signal } = {}) {
    return this.#ai.fetch(this.#path((id) => `universal/run/${id}`), {
      method: "POST",
      body: JSON.stringify([data].flat()),
      headers: { "content-type": "application/json", ...extraHeaders },
      signal,
    });
  }

  async getUrl(provider = "universal") {
    const response = await this.#ai.fetch(this.#path((id) => `gateways/${id}/url/${encodeURIComponent(provider)}`));
    if (!response.ok) throw await gatewayError(response);
    return (await response.json()).result.url;
  }

  /** @param {string} log */
  async getLog(log) {
    throw await gatewayError(await this.#ai.fetch(this.#log(log)));
  }

  /**
   * @param {string} log
   * @param {unknown} data
   */
  async patchLog(log, data) {
    const init = { method: "PATCH", body: JSON.stringify(data), headers: { "content-type": "application/json" } };
    throw await gatewayError(await this.#ai.fetch(this.#log(log), init));
  }

  /** @param {string} log */
  #log(log) {
    return this.#path((id) => `gateways/${id}/logs/${encodeURIComponent(log)}`);
  }
}

/**
 * Path and request of a run. What the binding itself refuses is refused in its words.
 *
 * @param {Inputs} inputs
 * @param {AiOptions} options
 * @returns {[path: string, init: RequestInit & {headers?: Record<string, string>, duplex?: "half"}]}
 */
function call(inputs, options) {
  const body = JSON.stringify({ inputs, options });
  if (options.websocket) return [`/run?${new URLSearchParams({ version: "3", body })}`, { method: "GET" }];
  const keys = Object.keys(inputs).filter((key) => isStream(inputs[key]) || isStream(inputs[key]?.body));
  if (keys.length > 1) {
    throw new AiInternalError(`Multiple ReadableStreams are not supported. Found streams in keys: [${keys.join(", ")}]`);
  }
  if (keys.length === 0) {
    const path = options.gateway?.id ? "/ai-gateway/run?version=3" : "/run?version=3";
    return [path, { method: "POST", body, headers: { "content-type": "application/json" } }];
  }
  if (options.gateway?.id) throw new AiInternalError("AI Gateway does not support ReadableStreams yet.");
  const { [keys[0]]: stream, ...userInputs } = inputs;
  if (!stream.contentType) throw new AiInternalError("Content-Type is required with ReadableStream inputs");
  const query = new URLSearchParams({
    .../** @type {Record<string, string>} */ (options),
    version: "3",
    userInputs: JSON.stringify(userInputs),
  });
  const headers = { "content-type": stream.contentType };
  return [`/run?${query}`, { method: "POST", body: stream.body, headers, duplex: "half" }];
}

/** @param {unknown} value */
function isStream(value) {
  return value instanceof ReadableStream || value instanceof FormData;
}

/** @param {Response} response */
async function gatewayError(response) {
  const text = await response.text();
  const Type = response.status === 404 ? AiGatewayLogNotFound : AiGatewayInternalError;
  try {
    return new Type(JSON.parse(text).errors[0].message);
  } catch {
    return new AiGatewayInternalError(text);
  }
}

/** @param {string} what */
function notOffered(what, name = "AiInternalError") {
  const error = new AiInternalError(`env.AI.${what}: Fireside generates text, and has nothing behind this call.`);
  error.name = name;
  return error;
}

/**
 * @param {string} what
 * @param {string} [name]
 */
function refusal(what, name) {
  return async () => {
    throw notOffered(what, name);
  };
}

/**
 * The base of the binding's calls; itself the address that miniflare's remote binding posts to.
 *
 * @param {string} url
 */
export function bindingURL(url, account = "local") {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname.replace(/\/+$/, "")}/client/v4/accounts/${encodeURIComponent(account)}/ai/binding`;
}

/**
 * For miniflare's wrapped bindings.
 *
 * @param {FiresideVariables} env
 */
export default function makeBinding(env) {
  return new Ai(env);
}
