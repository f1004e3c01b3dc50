// @ts-check
/** A request as Python, with the standard library alone. */

/** @param {import("./samples.js").CodeRequest} request */
export function pythonSample({ url, body, needsToken }) {
  const imports = ["import json", ...(needsToken ? ["import os"] : []), "import urllib.request"];
  const headers = needsToken ? `\n    headers={"Authorization": f"Bearer {os.environ['FIRESIDE_TOKEN']}"},` : "";
  const answer = body.stream
    ? `    for line in answer:
        if line.startswith(b"data: ") and line.strip() != b"data: [DONE]":
            print(json.loads(line[6:]).get("response") or "", end="", flush=True)`
    : `    print(json.load(answer)["result"]["response"])`;
  return `${imports.join("\n")}

body = ${literal(body, "")}

request = urllib.request.Request(
    ${quoted(url)},
    data=json.dumps(body).encode(),${headers}
)
with urllib.request.urlopen(request) as answer:
${answer}`;
}

/**
 * A JSON value as Python writes it.
 *
 * @param {any} value
 * @param {string} indent
 * @returns {string}
 */
export function literal(value, indent) {
  const inner = `${indent}    `;
  if (value === true) return "True";
  if (value === false) return "False";
  if (value === null) return "None";
  if (typeof value === "string") return quoted(value);
  if (typeof value !== "object") return String(value);
  const items = Array.isArray(value)
    ? value.map((item) => literal(item, inner))
    : Object.entries(value).map(([name, item]) => `${quoted(name)}: ${literal(item, inner)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  if (!items.length) return open + close;
  return `${open}\n${items.map((item) => `${inner}${item},\n`).join("")}${indent}${close}`;
}

/** JSON's escapes are Python's, too. */
export const quoted = (/** @type {string} */ text) => JSON.stringify(text).replaceAll("\x7f", "\\x7f");
