// @ts-check
/** Conversations as files. What comes back is checked: it may have been made by anybody. */

import { isModelId } from "../api/paths.js";
import { freshId, MAX_LANES, newConversation, newTurn, shortened } from "./conversation.js";
import { childrenIn, latestLeaf, pathTo } from "./tree.js";

const FORMAT = "fireside-conversations";
const VERSION = 2;
const MAX_BYTES = 32_000_000;
const MAX_TURNS = 5000;
const MAX_CALLS = 1000;

/** @typedef {import("./conversation.js").Conversation} Conversation */

/**
 * @param {Conversation[]} conversations whose turns were read
 * @returns {string}
 */
export function exported(conversations) {
  const records = conversations.map(({ tree, turns: _, whole: __, opening: ___, ...kept }) => ({
    ...kept,
    turns: [...tree.values()].map(({ conversation: ____, ...turn }) => turn),
  }));
  return JSON.stringify({ format: FORMAT, version: VERSION, conversations: records }, null, 2);
}

/**
 * The conversations in a file, each with an id of its own: an import never replaces what is here.
 *
 * @param {File} file
 * @returns {Promise<Conversation[]>}
 * @throws {Error} in words
 */
export async function imported(file) {
  if (file.size > MAX_BYTES) throw new Error(`${file.name} is larger than ${MAX_BYTES / 1e6} MB.`);
  let data;
  try {
    data = JSON.parse(await file.text());
  } catch {
    throw new Error(`${file.name} is not JSON. Choose a file that “Export” has made.`);
  }
  if (data?.format !== FORMAT || ![1, VERSION].includes(data.version) || !Array.isArray(data.conversations)) {
    throw new Error(`${file.name} holds no conversations of Fireside. Choose a file that “Export” has made.`);
  }
  return data.conversations.map((/** @type {any} */ item, /** @type {number} */ number) => {
    try {
      return conversation(item);
    } catch (error) {
      throw new Error(`Conversation ${number + 1} of ${file.name}: ${/** @type {Error} */ (error).message}`);
    }
  });
}

/**
 * @param {any} data
 * @returns {Conversation}
 */
function conversation(data) {
  need(isObject(data), "is not an object");
  const lanes = list(data.lanes, "lanes", MAX_LANES).map((lane) => ({
    model: modelId(lane?.model),
    lora: text(lane?.lora, "lora"),
  }));
  need(lanes.length > 0, "has no model");
  const made = {
    ...newConversation(),
    title: text(data.title, "title").slice(0, 200),
    updated: finite(data.updated) ?? Date.now(),
    mode: oneOf(data.mode, ["chat", "prompt", "raw"], "mode"),
    system: text(data.system, "system"),
    parameters: parameters(data.parameters),
    lanes,
  };
  addTurns(made, list(data.turns, "turns", MAX_TURNS), data.head);
  return made;
}

/**
 * The turns, with ids of their own. Version 1 has them in a row, version 2 names the one before each.
 *
 * @param {Conversation} made
 * @param {any[]} turns
 * @param {any} head
 */
function addTurns(made, turns, head) {
  /** @type {Map<string, string>} ids here by those of the file */
  const ids = new Map();
  const own = turns.map((turn) => {
    const id = freshId();
    if (typeof turn?.id === "string" && !ids.has(turn.id)) ids.set(turn.id, id);
    return id;
  });
  let before = "";
  turns.forEach((data, number) => {
    const turn = newTurn(made, {
      parent: data?.parent === undefined ? before : (ids.get(data.parent) ?? ""),
      text: text(data?.text, "text"),
      results: list(data.results ?? [], "results", MAX_CALLS).map(result),
      answers: list(data.answers, "answers", MAX_LANES).map((one) => (one === null ? null : answer(one))),
    });
    turn.id = own[number];
    turn.made = finite(data.made) ?? number;
    made.tree.set(turn.id, turn);
    before = turn.id;
  });
  const shown = ids.get(head) ?? latestLeaf(childrenIn(made.tree), "");
  made.head = shown;
  made.turns = pathTo(made.tree, shown);
  made.opening = shortened(made.turns[0]?.text ?? "");
}

/** @param {any} data */
const result = (data) => ({ id: text(data?.id, "id"), name: text(data.name, "name"), content: text(data.content, "content") });

/**
 * @param {any} data
 * @returns {import("./conversation.js").Answer}
 */
function answer(data) {
  need(isObject(data), "an answer is not an object");
  const state = oneOf(data.state, ["running", "done", "stopped", "failed", "interrupted"], "state");
  return {
    text: text(data.text, "text"),
    model: modelId(data.model),
    lora: text(data.lora, "lora"),
    servedBy: modelId(data.servedBy),
    state: state === "running" ? "interrupted" : state,
    finish: text(data.finish ?? "", "finish"),
    parameters: parameters(data.parameters),
    edited: data.edited === true,
    error: isObject(data.error) ? failure(data.error) : null,
    usage: isObject(data.usage) ? usage(data.usage) : null,
    toolCalls: list(data.toolCalls, "toolCalls", MAX_CALLS).filter(isObject).map(call),
    pieces: finite(data.pieces) ?? 0,
    firstMs: finite(data.firstMs),
    lastMs: finite(data.lastMs),
  };
}

/** @param {any} data */
const call = (data) => ({ id: text(data.id ?? "", "id"), name: text(data.name, "name"), arguments: data.arguments ?? {} });

/** @param {any} data */
const usage = (data) => ({
  prompt_tokens: finite(data.prompt_tokens) ?? 0,
  completion_tokens: finite(data.completion_tokens) ?? 0,
  total_tokens: finite(data.total_tokens) ?? 0,
});

/** @param {any} data */
const failure = (data) => ({
  message: text(data.message, "message"),
  advice: text(data.advice, "advice"),
  code: finite(data.code) ?? 0,
  requestId: text(data.requestId, "requestId"),
});

/**
 * Of parameters only the shape is checked here: the API checks the rest, and says what is wrong.
 *
 * @param {any} data
 * @returns {Record<string, any>}
 */
function parameters(data) {
  need(isObject(data), "parameters must be an object");
  return Object.fromEntries(Object.entries(data).filter(([name]) => /^[a-z_]{1,40}$/i.test(name) && name !== "__proto__"));
}

/**
 * @param {unknown} holds
 * @param {string} problem
 */
function need(holds, problem) {
  if (!holds) throw new Error(`it ${problem}.`);
}

/** @param {any} value */
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * @param {any} value
 * @param {string} name
 * @returns {string}
 */
function text(value, name) {
  need(typeof value === "string", `has a ${name} that is not a text`);
  return value;
}

/**
 * @param {any} value
 * @returns {string}
 */
function modelId(value) {
  need(isModelId(text(value, "model")), "has a model that is not the id of one, like @hf/author/name");
  return value;
}

/**
 * @param {any} value
 * @param {string} name
 * @param {number} most
 * @returns {any[]}
 */
function list(value, name, most) {
  need(Array.isArray(value) && value.length <= most, `has ${name} that are no list of at most ${most}`);
  return value;
}

/**
 * @template {string} T
 * @param {any} value
 * @param {T[]} choices
 * @param {string} name
 * @returns {T}
 */
function oneOf(value, choices, name) {
  need(choices.includes(value), `has a ${name} other than ${choices.join(", ")}`);
  return value;
}

/** @param {any} value */
const finite = (value) => (typeof value === "number" && Number.isFinite(value) ? value : null);
