// @ts-check
/**
 * Conversations in this browser's own database. Tokens are never among what is kept.
 *
 * Several tabs write at once. So a turn is a record of its own, and of a conversation only the fields that changed are
 * written, in one transaction with reading what is there: no tab can overwrite what another has said.
 */

/**
 * @typedef {import("./conversation.js").Conversation} Conversation
 * @typedef {import("./conversation.js").Turn} Turn
 * @typedef {Omit<Conversation, "tree" | "turns" | "whole">} Kept a conversation's record
 * @typedef {{name: string, mode: string, system: string, parameters: Record<string, any>}} Preset
 */

const DATABASE = "fireside";
const VERSION = 2;

/** @type {Promise<IDBDatabase> | null} */
let opening = null;

/** @returns {Promise<IDBDatabase>} */
function open() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, VERSION);
    request.onupgradeneeded = (event) => upgrade(request, event.oldVersion);
    request.onsuccess = () => {
      // A newer version of this page, in another tab, must not wait for this one.
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onblocked = () => reject(new Error("Another tab shows an older version of this page: close it, then reload this one."));
    request.onerror = () => reject(request.error);
  });
  return opening;
}

/**
 * @param {IDBOpenDBRequest} request
 * @param {number} from
 */
function upgrade(request, from) {
  const database = request.result;
  if (from < 1) database.createObjectStore("conversations", { keyPath: "id" });
  const turns = database.createObjectStore("turns", { keyPath: "id" });
  turns.createIndex("conversation", "conversation");
  database.createObjectStore("presets", { keyPath: "name" });
  if (from < 1) return;
  // Version 1 had the turns inside their conversation, in a row.
  const walk = /** @type {IDBTransaction} */ (request.transaction).objectStore("conversations").openCursor();
  walk.onsuccess = () => {
    const cursor = walk.result;
    if (!cursor) return;
    const { turns: old, ...rest } = cursor.value;
    let parent = "";
    old.forEach((/** @type {any} */ turn, /** @type {number} */ number) => {
      const answers = turn.answers.map((/** @type {any} */ answer) => answer && { finish: "", ...answer });
      turns.put({ ...turn, answers, conversation: rest.id, parent, made: number, results: [] });
      parent = turn.id;
    });
    cursor.update({ ...rest, opening: old[0]?.text.trim().slice(0, 60) ?? "", head: parent });
    cursor.continue();
  };
}

/**
 * @template T
 * @param {string[]} tables
 * @param {IDBTransactionMode} mode
 * @param {(table: (name: string) => IDBObjectStore) => IDBRequest<T> | void} act
 * @returns {Promise<T>} what the request gave, once everything is written
 */
async function transaction(tables, mode, act) {
  const database = await open();
  return new Promise((resolve, reject) => {
    const change = database.transaction(tables, mode);
    const request = act((name) => change.objectStore(name));
    change.oncomplete = () => resolve(/** @type {any} */ (request)?.result);
    change.onabort = () => reject(change.error);
  });
}

/** @returns {Promise<Kept[]>} all, the one that was changed last first */
export async function listConversations() {
  /** @type {Kept[]} */
  const found = await transaction(["conversations"], "readonly", (table) => table("conversations").getAll());
  return found.sort((a, b) => b.updated - a.updated);
}

/**
 * @param {string} id
 * @returns {Promise<Kept | undefined>}
 */
export const readConversation = (id) =>
  transaction(["conversations"], "readonly", (table) => table("conversations").get(id));

/**
 * @param {string} conversation
 * @returns {Promise<Turn[]>}
 */
export const readTurns = (conversation) =>
  transaction(["turns"], "readonly", (table) => table("turns").index("conversation").getAll(conversation));

/**
 * @param {string} id
 * @returns {Promise<Turn | undefined>}
 */
export const readTurn = (id) => transaction(["turns"], "readonly", (table) => table("turns").get(id));

/**
 * Write some fields of a conversation, and turns of it. One that another tab has deleted comes back whole.
 *
 * @param {Conversation} conversation
 * @param {Partial<Kept>} fields
 * @param {Turn[]} [turns]
 */
export function write(conversation, fields, turns = []) {
  return transaction(["conversations", "turns"], "readwrite", (table) => {
    const there = table("conversations").get(conversation.id);
    there.onsuccess = () => {
      table("conversations").put({ ...(there.result ?? recordOf(conversation)), ...fields });
      for (const turn of there.result ? turns : conversation.tree.values()) table("turns").put(turn);
    };
  });
}

/**
 * @param {Conversation} conversation
 * @returns {Kept}
 */
function recordOf({ tree: _, turns: __, whole: ___, ...kept }) {
  return kept;
}

/** @param {string} id */
export function removeConversation(id) {
  return transaction(["conversations", "turns"], "readwrite", (table) => {
    table("conversations").delete(id);
    const keys = table("turns").index("conversation").getAllKeys(id);
    keys.onsuccess = () => keys.result.forEach((key) => table("turns").delete(key));
  });
}

/**
 * Walk over all turns, a few at a time in memory.
 *
 * @param {(turn: Turn) => boolean} visit whether to go on
 */
export function eachTurn(visit) {
  return transaction(["turns"], "readonly", (table) => {
    const walk = table("turns").openCursor();
    walk.onsuccess = () => {
      if (walk.result && visit(walk.result.value)) walk.result.continue();
    };
  });
}

/** @returns {Promise<Preset[]>} by name */
export const listPresets = () => transaction(["presets"], "readonly", (table) => table("presets").getAll());

/** @param {Preset} preset one of the same name is replaced */
export const writePreset = (preset) => transaction(["presets"], "readwrite", (table) => table("presets").put(preset));

/** @param {string} name */
export const removePreset = (name) => transaction(["presets"], "readwrite", (table) => table("presets").delete(name));
