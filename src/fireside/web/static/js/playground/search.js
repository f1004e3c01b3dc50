// @ts-check
/** Finds texts in the conversations of this browser. */

import { titleOf } from "./conversation.js";
import { eachTurn } from "./storage.js";

/**
 * @typedef {import("./conversation.js").Conversation} Conversation
 * @typedef {{conversation: Conversation, snippet: string}} Found
 */

const MOST = 50;
const BEFORE = 30;
const AFTER = 70;

/**
 * Conversations in whose title, messages or answers the words stand, in whatever case.
 *
 * @param {string} wanted
 * @param {Conversation[]} conversations
 * @param {AbortSignal} signal
 * @returns {Promise<Found[]>} in the order of the conversations, at most 50; the snippet is empty where the title has it
 */
export async function search(wanted, conversations, signal) {
  const needle = wanted.trim().toLowerCase();
  /** @type {Map<string, string>} snippets by id */
  const found = new Map();
  for (const one of conversations) if (titleOf(one).toLowerCase().includes(needle)) found.set(one.id, "");
  const look = (/** @type {import("./conversation.js").Turn} */ turn) => {
    if (!found.has(turn.conversation)) {
      const results = turn.results.map(({ content }) => content);
      const text = [turn.text, ...results, ...turn.answers.map((answer) => answer?.text ?? "")].find((one) => one.toLowerCase().includes(needle));
      if (text !== undefined) found.set(turn.conversation, snippet(text, needle));
    }
    return !signal.aborted && found.size < MOST;
  };
  // Without a database, what this page has in memory is all there is.
  await eachTurn(look).catch(() => conversations.forEach(({ tree }) => tree.forEach(look)));
  return conversations
    .filter(({ id }) => found.has(id))
    .slice(0, MOST)
    .map((conversation) => ({ conversation, snippet: found.get(conversation.id) ?? "" }));
}

/**
 * @param {string} text
 * @param {string} needle
 */
function snippet(text, needle) {
  const at = text.toLowerCase().indexOf(needle);
  const start = Math.max(0, at - BEFORE);
  const end = Math.min(text.length, at + needle.length + AFTER);
  const cut = text.slice(start, end).replaceAll(/\s+/g, " ").trim();
  return `${start > 0 ? "…" : ""}${cut}${end < text.length ? "…" : ""}`;
}
