// @ts-check
/** Colours for the few kinds of code that these pages write themselves. */

import { h } from "../lib/dom.js";

const STRINGS = String.raw`"(?:[^"\\\n]|\\.)*"|\x60(?:[^\x60\\]|\\.)*\x60`;
const NUMBERS = String.raw`\b\d+(?:\.\d+)?\b`;

/** @type {Record<string, RegExp>} groups: comment, text, number, word of the language */
const GRAMMARS = {
  sh: /(^#.*$)|('(?:[^']|'\\'')*'|"(?:[^"\\]|\\.)*")|()(\bcurl\b|(?<=\s)--?[\w-]+)/gm,
  python: new RegExp(
    String.raw`(#.*$)|([bf]?(?:${STRINGS}))|(${NUMBERS})|\b(import|with|as|for|in|if|and|or|not|print|True|False|None)\b`,
    "gm",
  ),
  ts: new RegExp(
    String.raw`(//.*$)|(${STRINGS})|(${NUMBERS})|\b(await|async|const|let|for|of|if|return|export|default|throw|new|true|false|null|continue)\b`,
    "gm",
  ),
  json: new RegExp(String.raw`()(${STRINGS})|(-?${NUMBERS})|\b(true|false|null)\b`, "gm"),
};
const CLASSES = ["", "code-comment", "code-string", "code-number", "code-word"];

/**
 * @param {string} code
 * @param {string} language
 * @returns {(Node | string)[]}
 */
export function highlighted(code, language) {
  /** @type {(Node | string)[]} */
  const parts = [];
  let end = 0;
  for (const match of code.matchAll(GRAMMARS[language])) {
    if (!match[0]) continue;
    const kind = match.findIndex((group, index) => index > 0 && group);
    if (match.index > end) parts.push(code.slice(end, match.index));
    parts.push(h("span", { class: CLASSES[kind] }, match[0]));
    end = match.index + match[0].length;
  }
  if (end < code.length) parts.push(code.slice(end));
  return parts;
}
