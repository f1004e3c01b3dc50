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
  /** Ends the request, or the stream as it is read, and the generation with it. */
  signal?: AbortSignal;
  /** Refused by Fireside, which answers over HTTP. Resolves to the Response itself. */
  websocket?: boolean;
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

  /** Any call of the binding's, by the path of its address. */
  fetch(input: Request | URL | string, init?: RequestInit): Promise<Response>;

  gateway(id: string): AiGateway;

  getLogs(): string[];

  /** What follows rejects: there is nothing behind it. */
  toMarkdown(): { transform(...files: unknown[]): Promise<never>; supported(): Promise<never> };
  toMarkdown(files: unknown, options?: unknown): Promise<never>;
  autorag(id?: string): Record<"list" | "search" | "aiSearch", (params?: unknown) => Promise<never>>;
  aiSearch(): never;
}

export interface GatewayRequest {
  /** "workers-ai"; any other fails. */
  provider: string;
  /** "@hf/author/name", "run/@hf/author/name", "v1/chat/completions". */
  endpoint: string;
  headers?: Record<string, unknown>;
  query: unknown;
}

/** A gateway of any name: the server itself. */
export declare class AiGateway {
  /** Of several requests, the first that succeeds counts; the header cf-aig-step says which. */
  run(
    data: GatewayRequest | GatewayRequest[],
    options?: { gateway?: unknown; extraHeaders?: Record<string, string>; signal?: AbortSignal },
  ): Promise<Response>;
  getUrl(provider?: string): Promise<string>;
  /** These reject: no logs are kept. */
  getLog(log: string): Promise<never>;
  patchLog(log: string, data: unknown): Promise<never>;
}

export declare class AiGatewayInternalError extends Error {}

export declare class AiGatewayLogNotFound extends Error {}

/** For miniflare's wrapped bindings. */
export default function makeBinding(variables: FiresideVariables): Ai;

/** The base of the binding's calls; itself the address that miniflare's remote binding posts to. */
export declare function bindingURL(url: string, account?: string): string;
