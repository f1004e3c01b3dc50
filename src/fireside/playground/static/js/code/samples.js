/** One request as code, in the languages that people call the API from. Every sample runs as it stands. */

import { pythonSample } from "./python.js";

/**
 * @typedef {object} CodeRequest
 * @property {string} url the whole URL of the run
 * @property {Record<string, any>} body
 * @property {boolean} needsToken
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
 * @param {boolean} needsToken
 * @returns {CodeRequest}
 */
export function codeRequest(account, model, body, needsToken) {
  return { url: `${location.origin}/client/v4/accounts/${account}/ai/run/${model}`, body, needsToken };
}

/**
 * @param {CodeRequest} request
 * @returns {Sample[]}
 */
export function samples(request) {
  return [
    { id: "curl", label: "curl", language: "sh", code: curlSample(request) },
    { id: "python", label: "Python", language: "python", code: pythonSample(request) },
    { id: "typescript", label: "TypeScript", language: "ts", code: typescriptSample(request) },
    { id: "worker", label: "Worker", language: "ts", code: workerSample(request) },
  ];
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
function workerSample({ url, body, needsToken }) {
  const cut = url.indexOf("/accounts/");
  const address = "`${env.AI_BASE_URL}" + url.slice(cut) + "`";
  const call = indented(fetchCall(address, body, needsToken ? "${env.FIRESIDE_TOKEN}" : ""), "    ");
  const answer = body.stream
    ? 'return new Response(response.body, { headers: { "content-type": "text/event-stream" } });'
    : "const { result } = await response.json();\n    return Response.json(result);";
  const secret = needsToken ? "\n// The token is a secret: npx wrangler secret put FIRESIDE_TOKEN" : "";
  return `// wrangler.jsonc: "vars": { "AI_BASE_URL": "${url.slice(0, cut)}" }${secret}
export default {
  async fetch(request, env) {
    const response = await ${call.replace(/^await /, "")};
    if (!response.ok) return response;
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
