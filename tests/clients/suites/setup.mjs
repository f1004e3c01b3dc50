// The hosted service's address leads to the server under test, for clients that have no base URL.
const original = globalThis.fetch;
globalThis.fetch = (input, init) =>
  original(typeof input === "string" ? input.replace("https://api.cloudflare.com", process.env.FIRESIDE) : input, init);
