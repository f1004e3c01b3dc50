// @ts-check
/** The same request by OpenAI's own libraries, for Python and for JavaScript. */

import { literal, quoted } from "./python.js";

/** Fields that OpenAI's types know; others go in as extra ones. */
const KNOWN = new Set(
  "messages prompt max_tokens temperature top_p seed frequency_penalty presence_penalty response_format stream tools tool_choice stop".split(" "),
);

/**
 * @typedef {import("./samples.js").CodeRequest} CodeRequest
 */

/**
 * @param {CodeRequest} request
 * @returns {string | null} null: OpenAI's API has no such request
 */
export function openaiPython(request) {
  const asked = openaiBody(request);
  if (!asked) return null;
  const fields = Object.entries(asked.body).filter(([name]) => KNOWN.has(name));
  const extra = Object.fromEntries(Object.entries(asked.body).filter(([name]) => !KNOWN.has(name)));
  if (Object.keys(extra).length) fields.push(["extra_body", extra]);
  const lines = [["model", request.model], ...fields].map(([name, value]) => `    ${name}=${literal(value, "    ")},\n`).join("");
  const key = request.needsToken ? 'os.environ["FIRESIDE_TOKEN"]' : '"any"';
  const piece = asked.chat ? "chunk.choices[0].delta.content" : "chunk.choices[0].text";
  const whole = asked.chat ? "answer.choices[0].message.content" : "answer.choices[0].text";
  const shown = asked.body.stream
    ? `for chunk in answer:\n    if chunk.choices:\n        print(${piece} or "", end="", flush=True)`
    : `print(${whole})`;
  return `# pip install openai
${request.needsToken ? "import os\n\n" : ""}from openai import OpenAI

client = OpenAI(base_url=${quoted(`${request.origin}/v1`)}, api_key=${key})
answer = client.${asked.chat ? "chat.completions" : "completions"}.create(
${lines})
${shown}`;
}

/**
 * @param {CodeRequest} request
 * @returns {string | null} null: OpenAI's API has no such request
 */
export function openaiJavaScript(request) {
  const asked = openaiBody(request);
  if (!asked) return null;
  const body = JSON.stringify({ model: request.model, ...asked.body }, null, 2);
  const key = request.needsToken ? "process.env.FIRESIDE_TOKEN" : '"any"';
  const piece = asked.chat ? "chunk.choices[0]?.delta.content" : "chunk.choices[0]?.text";
  const whole = asked.chat ? "answer.choices[0].message.content" : "answer.choices[0].text";
  const shown = asked.body.stream
    ? `for await (const chunk of answer) process.stdout.write(${piece} ?? "");`
    : `console.log(${whole});`;
  return `// npm install openai
import OpenAI from "openai";

const client = new OpenAI({ baseURL: ${JSON.stringify(`${request.origin}/v1`)}, apiKey: ${key} });
const answer = await client.${asked.chat ? "chat.completions" : "completions"}.create(${body});
${shown}`;
}

/**
 * @param {CodeRequest} request
 * @returns {{chat: boolean, body: Record<string, any>} | null}
 */
function openaiBody({ body, preface }) {
  const { prompt, raw, functions, tools, response_format: format, ...rest } = body;
  // Functions given with their code are Workers AI's alone.
  if (functions?.length) return null;
  const more = {
    ...rest,
    ...(tools && { tools: tools.map((/** @type {any} */ tool) => (tool.function ? tool : { type: "function", function: tool })) }),
    ...(format && { response_format: wrapped(format) }),
  };
  if (prompt === undefined) return { chat: true, body: more };
  if (raw) return { chat: false, body: { prompt, ...more } };
  const system = preface ? [{ role: "system", content: preface }] : [];
  return { chat: true, body: { messages: [...system, { role: "user", content: prompt }], ...more } };
}

/** OpenAI has a name beside a schema. */
const wrapped = (/** @type {any} */ format) =>
  format.type === "json_schema" && !format.json_schema?.schema
    ? { type: "json_schema", json_schema: { name: "answer", schema: format.json_schema } }
    : format;
