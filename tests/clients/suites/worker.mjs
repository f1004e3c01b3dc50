// One Worker in miniflare, its env.AI by miniflare's remote binding or its own affair. Prints its URL.
import { build } from "esbuild";
import { Miniflare } from "miniflare";

const { main, miniflare, url, account, remote, modules } = JSON.parse(process.argv[2]);
const { firesideAI } = await import(miniflare);
const { outputFiles } = await build({
  entryPoints: [main],
  nodePaths: [modules],
  bundle: true,
  write: false,
  format: "esm",
  conditions: ["workerd", "worker", "browser"],
  external: ["node:*", "cloudflare:*"],
  logLevel: "warning",
});
const worker = new Miniflare({
  cf: false,
  modules: true,
  script: outputFiles[0].text,
  compatibilityDate: "2026-04-21",
  compatibilityFlags: ["nodejs_compat"],
  bindings: { CLOUDFLARE_ACCOUNT_ID: account, CLOUDFLARE_API_TOKEN: "any" },
  // The hosted service's address leads to the server under test.
  outboundService: (request) => fetch(request.url.replace("https://api.cloudflare.com", url), request),
  ...(remote && { ai: firesideAI(url, { account }) }),
});
console.log((await worker.ready).href);
process.stdin.on("end", () => worker.dispose()).resume();
