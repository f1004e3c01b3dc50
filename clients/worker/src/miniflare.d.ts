export interface FiresideOptions {
  /** Account id; "local" when nothing else is said. */
  account?: string;
}

/** The value of miniflare's option `ai`: Cloudflare's own binding, with Fireside behind it. For a server without tokens. */
export declare function firesideAI(
  url: string,
  options?: FiresideOptions & { /** Name of the binding; "AI" when nothing else is said. */ binding?: string },
): { binding: string; remoteProxyConnectionString: URL };

/** A member of miniflare's `workers`, for `wrappedBindings: { AI: "fireside-ai" }`: works with a token, too. */
export declare function firesideWorker(
  url: string,
  options?: FiresideOptions & {
    token?: string;
    /** Name of the Worker; "fireside-ai" when nothing else is said. */
    name?: string;
  },
): {
  name: string;
  modules: { type: "ESModule"; path: string; contents: string }[];
  bindings: Record<string, string>;
};
