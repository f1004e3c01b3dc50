// `env.AI` over HTTP: the calls of Cloudflare's own binding, sent to Fireside. Needs nothing but fetch.

export class InferenceUpstreamError extends Error {
  constructor(message, name = "InferenceUpstreamError") {
    super(message);
    this.name = name;
  }
}

export class AiInternalError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = "AiInternalError";
  }
}

export class Ai {
  #base;
  #token;

  lastRequestId = null;
  aiGatewayLogId = null;
  lastRequestHttpStatusCode = null;
  lastRequestInternalStatusCode = null;

  constructor({ FIRESIDE_URL, FIRESIDE_ACCOUNT = "local", FIRESIDE_TOKEN } = {}) {
    if (!FIRESIDE_URL) throw new AiInternalError("FIRESIDE_URL is not set: give it the address of a Fireside server.");
    this.#base = bindingURL(FIRESIDE_URL, FIRESIDE_ACCOUNT);
    this.#token = FIRESIDE_TOKEN;
  }

  async run(model, inputs, options = {}) {
    const { prefix, extraHeaders, sessionOptions, signal, ...sent } = options;
    const response = await this.#fetch(sent.gateway?.id ? "/ai-gateway/run?version=3" : "/run?version=3", {
      method: "POST",
      body: JSON.stringify({ inputs, options: sent }),
      headers: {
        ...sessionOptions?.extraHeaders,
        ...extraHeaders,
        "content-type": "application/json",
        "cf-consn-sdk-version": "2.0.0",
        "cf-consn-model-id": prefix ? `${prefix}:${model}` : model,
      },
      signal,
    });
    this.lastRequestId = response.headers.get("cf-ai-req-id");
    this.aiGatewayLogId = response.headers.get("cf-aig-log-id");
    this.lastRequestHttpStatusCode = response.status;
    this.lastRequestInternalStatusCode = null;
    if (sent.returnRawResponse) return response;
    if (!response.ok) throw await this.#error(response);
    const isJson = /^application\/json\b/.test(response.headers.get("content-type"));
    return isJson ? response.json() : response.body;
  }

  async models(params = {}) {
    const query = new URLSearchParams(params);
    const response = await this.#fetch(`/ai-api/models/search?${query}`, { method: "GET" });
    if (!response.ok) throw new AiInternalError((await this.#error(response)).message);
    return (await response.json()).result;
  }

  async #fetch(path, init) {
    const headers = new Headers(init.headers);
    if (this.#token) headers.set("authorization", `Bearer ${this.#token}`);
    try {
      // A redirect is not followed: it could carry the token elsewhere.
      return await fetch(this.#base + path, { ...init, headers, redirect: "manual" });
    } catch (cause) {
      if (init.signal?.aborted) throw cause;
      throw new AiInternalError(`Fireside cannot be reached at ${new URL(this.#base).origin}: ${cause.message}`, { cause });
    }
  }

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

/** The base of the binding's calls; itself the address that miniflare's remote binding posts to. */
export function bindingURL(url, account = "local") {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname.replace(/\/+$/, "")}/client/v4/accounts/${encodeURIComponent(account)}/ai/binding`;
}
