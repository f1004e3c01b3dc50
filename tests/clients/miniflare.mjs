// Workers in miniflare, each on a port of its own, in every way there is to give them `env.AI`. Prints their URLs.
import { build } from "esbuild";
import { Miniflare } from "miniflare";
import { readdir } from "node:fs/promises";
import { join } from "node:path";

const { folder, projects, fireside, open, locked, token, account } = JSON.parse(process.argv[2]);
const { firesideAI, firesideWorker } = await import(join(fireside, "src/miniflare.js"));

async function bundle(path) {
  const { outputFiles } = await build({
    entryPoints: [path],
    alias: { "fireside-worker": join(fireside, "src/ai.js") },
    nodePaths: [join(import.meta.dirname, "node_modules")],
    bundle: true,
    write: false,
    format: "esm",
    conditions: ["workerd", "worker", "browser"],
    external: ["node:*", "cloudflare:*"],
    logLevel: "warning",
  });
  return outputFiles[0].text;
}

const sources = {};
for (const name of await readdir(folder)) {
  sources[name.replace(/\..*/, "")] = await bundle(join(folder, name));
}
const remote = (url) => ({ ai: firesideAI(url, { account }) });
const wrapped = (name) => ({ wrappedBindings: { AI: name } });
const direct = (url, token) => ({
  bindings: { FIRESIDE_URL: url, FIRESIDE_ACCOUNT: account, ...(token && { FIRESIDE_TOKEN: token }) },
});
const ways = {};
for (const name in sources) {
  ways[`remote/${name}`] = [sources[name], remote(open)];
  ways[`wrapped/${name}`] = [sources[name], wrapped("fireside-ai")];
  ways[`project/${name}`] = [await bundle(projects[name]), {}];
}
ways["direct/probe"] = [sources.probe, direct(open)];
ways["remote-locked/probe"] = [sources.probe, remote(locked)];
ways["wrapped-locked/probe"] = [sources.probe, wrapped("fireside-token")];
ways["wrapped-wrong/probe"] = [sources.probe, wrapped("fireside-wrong")];
ways["direct-locked/probe"] = [sources.probe, direct(locked, token)];
ways["direct-gone/probe"] = [sources.probe, direct("http://127.0.0.1:9")];
ways["old/probe"] = [await bundle(projects.probe), {}, "2024-09-23"];

const miniflare = new Miniflare({
  cf: false,
  workers: [
    ...Object.entries(ways).map(([name, [script, options, compatibilityDate = "2026-04-21"]]) => ({
      name,
      modules: true,
      script,
      compatibilityDate,
      compatibilityFlags: ["nodejs_compat"],
      unsafeDirectSockets: [{ port: 0 }],
      ...options,
    })),
    firesideWorker(open, { account }),
    firesideWorker(locked, { account, token, name: "fireside-token" }),
    firesideWorker(locked, { account, token: "wrong", name: "fireside-wrong" }),
  ],
});
await miniflare.ready;
const urls = {};
for (const name in ways) urls[name] = (await miniflare.unsafeGetDirectURL(name)).href;
console.log(JSON.stringify(urls));
process.stdin.on("end", () => miniflare.dispose()).resume();
