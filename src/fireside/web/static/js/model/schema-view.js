// @ts-check
/** The JSON schemas of input and output. */

import { codeBlock } from "../parts/code-block.js";
import { tabbed } from "../parts/tabs.js";

/**
 * @param {any} input
 * @param {any} output
 */
export function schemaView(input, output) {
  const tab = (/** @type {string} */ id, /** @type {string} */ label, /** @type {any} */ schema) => ({
    id,
    label,
    content: () => codeBlock(JSON.stringify(schema, null, 2), "json", `${label} JSON schema`),
  });
  return tabbed("Schema", [tab("input", "Input", input), tab("output", "Output", output)]);
}
