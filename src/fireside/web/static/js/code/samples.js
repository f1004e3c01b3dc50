// @ts-check
/** One request as code, in the languages that people call the API from. Every sample runs as it stands. */

import { modelSegments, segment } from "../api/paths.js";
import { openaiJavaScript, openaiPython } from "./openai.js";
import { pythonSample } from "./python.js";

/**
 * @typedef {object} CodeRequest
 * @property {string} origin the server's
 * @property {string} account
 * @property {string} model
 * @property {string} url the whole URL of the run
 * @property {Record<string, any>} body
 * @property {boolean} needsToken
 * @property {string} preface the model's default system message, which an unscoped prompt has by itself
 *
 * @typedef {object} Sample
 * @property {string} id
 * @property {string} label
 * @property {"sh" | "python" | "ts"} language
 * @property {string} code
 */

/**
 * @param {string} account
 * @param {string} model
 * @param {Record<string, any>} body
 * @param {{needsToken: boolean, preface?: string | null}} more
 * @returns {CodeRequest}
 * @throws {import("../api/errors.js").ApiError} for a name that is not a model's id
 */
export function codeRequest(account, model, body, { needsToken, preface }) {
  const { origin } = location;
  const url = `${origin}/client/v4/accounts/${segment(account)}/ai/run/${modelSegments(model)}`;
  return { origin, account, model, url, body, needsToken, preface: preface ?? "" };
}

/**
 * @param {CodeRequest} request
 * @returns {Sample[]}
 */
export function samples(request) {
  const all = [
    { id: "curl", label: "curl", language: "sh", code: curlSample(request) },
    { id: "worker", label: "Worker", language: "ts", code: workerSample(request) },
    { id: "openai-python", label: "OpenAI for Python", language: "python", code: openaiPython(request) },
    { id: "openai-js", label: "OpenAI for JavaScript", language: "ts", code: openaiJavaScript(request) },
    { id: "python", label: "Python", language: "python", code: pythonSample(request) },
    { id: "typescript", label: "TypeScript", language: "ts", code: typescriptSample(request) },
  ];
  return /** @type {Sample[]} */ (all.filter(({ code }) => code !== null));
}

/** @param {CodeRequest} request */
function curlSample({ url, body, needsToken }) {
  const quoted = (/** @type {string} */ text) => `'${text.replaceAll("'", "'\\''")}'`;
  return [
    `curl ${body.stream ? "--no-buffer " : ""}${quoted(url)} \\`,
    ...(needsToken ? ['  -H "Authorization: Bearer $FIRESIDE_TOKEN" \\'] : []),
    `  -d ${quoted(JSON.stringify(body, null, 2))}`,
  ].join("\n");
}

/** @param {CodeRequest} request */
function typescriptSample({ url, body, needsToken }) {
  const call = fetchCall(JSON.stringify(url), body, needsToken ? "${process.env.FIRESIDE_TOKEN}" : "");
  const check = 'if (!response.ok || !response.body) throw new Error(await response.text());\n';
  if (!body.stream) {
    return `const response = ${call};\n${check}const { result } = await response.json();\nconsole.log(result.response);`;
  }
  return `const response = ${call};
${check}
let rest = "";
for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + text).split("\\n");
  rest = lines.pop() ?? "";
  for (const line of lines) {
    if (!line.startsWith("data: ") || line === "data: [DONE]") continue;
    process.stdout.write(JSON.parse(line.slice(6)).response ?? "");
  }
}`;
}

/** @param {CodeRequest} request */
function workerSample({ origin, account, model, body, needsToken }) {
  const secret = needsToken ? "\n// .dev.vars: FIRESIDE_TOKEN=… (deployed: npx wrangler secret put FIRESIDE_TOKEN)" : "";
  const answer = body.stream
    ? 'return new Response(answer, { headers: { "content-type": "text/event-stream" } });'
    : "return Response.json(answer);";
  return `// Once, in the Worker's project: fireside worker init
// fireside-ai/fireside.json: "url": ${JSON.stringify(origin)}, "account": ${JSON.stringify(account)}${secret}
export default {
  async fetch(request, env) {
    const answer = await env.AI.run(${JSON.stringify(model)}, ${indented(JSON.stringify(body, null, 2), "    ")});
    ${answer}
  },
};`;
}

/**
 * @param {string} address an expression
 * @param {Record<string, any>} body
 * @param {string} token an expression for a template, or nothing
 */
function fetchCall(address, body, token) {
  const headers = token ? `\n  headers: { Authorization: \`Bearer ${token}\` },` : "";
  const literal = indented(JSON.stringify(body, null, 2), "  ");
  return `await fetch(${address}, {\n  method: "POST",${headers}\n  body: JSON.stringify(${literal}),\n})`;
}

/**
 * All lines but the first moved to the right. JSON has no line breaks inside its strings.
 *
 * @param {string} text
 * @param {string} by
 */
const indented = (text, by) => text.replaceAll("\n", `\n${by}`);
