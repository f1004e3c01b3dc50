/** What a Worker's variables and secrets say about the server. */
export interface FiresideVariables {
  /** Address of a Fireside server, such as http://127.0.0.1:8787. */
  FIRESIDE_URL?: string;
  /** Account id; "local" when nothing else is said. */
  FIRESIDE_ACCOUNT?: string;
  /** API token, when the server has any. A secret. */
  FIRESIDE_TOKEN?: string;
}

export interface AiOptions {
  /** Resolve to the Response itself, whatever its status. */
  returnRawResponse?: boolean;
  /** Ask to be refused rather than queued. */
  rejectIfBusy?: boolean;
  /** Accepted, and of no effect. */
  gateway?: { id: string; [name: string]: unknown };
  /** Put before the model's name, with a colon. */
  prefix?: string;
  /** Further headers of the request. */
  extraHeaders?: Record<string, string>;
  /** Ends the request, and the generation with it. */
  signal?: AbortSignal;
  [name: string]: unknown;
}

export interface TextResult {
  response: string;
  usage?: { prompt_tokens: number; completion_tokens: number; total_tokens: number };
  /** Why the answer ended; "length" is max_tokens. */
  finish_reason?: "stop" | "length" | "tool_calls";
  /** Each call twice over: flat, and as OpenAI writes it. */
  tool_calls?: {
    name: string;
    arguments: unknown;
    index: number;
    id: string;
    type: "function";
    function: { name: string; arguments: string };
  }[];
}

export interface ModelsSearchParams {
  author?: string;
  hide_experimental?: boolean;
  page?: number;
  per_page?: number;
  search?: string;
  source?: number;
  task?: string;
}

export interface ModelsSearchObject {
  id: string;
  source: number;
  name: string;
  description: string;
  task: { id: string; name: string; description: string };
  tags: string[];
  properties: { property_id: string; value: string }[];
}

/** The server refused or failed: "CODE: message". */
export declare class InferenceUpstreamError extends Error {
  constructor(message: string, name?: string);
}

/** There was no answer to speak of. */
export declare class AiInternalError extends Error {
  constructor(message: string, options?: ErrorOptions);
}

/** Used as Cloudflare's own binding is. */
export declare class Ai {
  /** Throws AiInternalError without FIRESIDE_URL. */
  constructor(variables: FiresideVariables);

  /** Of the last request that was answered. */
  lastRequestId: string | null;
  aiGatewayLogId: string | null;
  lastRequestHttpStatusCode: number | null;
  lastRequestInternalStatusCode: number | null;

  run(model: string, inputs: object, options: AiOptions & { returnRawResponse: true }): Promise<Response>;
  run(model: string, inputs: { stream: true; [name: string]: unknown }, options?: AiOptions): Promise<ReadableStream<Uint8Array>>;
  run(model: string, inputs: object, options?: AiOptions): Promise<TextResult>;

  models(params?: ModelsSearchParams): Promise<ModelsSearchObject[]>;
}

/** The base of the binding's calls; itself the address that miniflare's remote binding posts to. */
export declare function bindingURL(url: string, account?: string): string;
