/** Conversations in this browser's own database. Tokens are never among what is kept. */

/** @typedef {import("./conversation.js").Conversation} Conversation */

const DATABASE = "fireside";
const TABLE = "conversations";

/** @type {Promise<IDBDatabase> | null} */
let opening = null;

/** @returns {Promise<IDBDatabase>} */
function open() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(TABLE, { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opening;
}

/**
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(table: IDBObjectStore) => IDBRequest<T>} act
 * @returns {Promise<T>}
 */
async function transaction(mode, act) {
  const database = await open();
  return new Promise((resolve, reject) => {
    const change = database.transaction(TABLE, mode);
    const request = act(change.objectStore(TABLE));
    change.oncomplete = () => resolve(request.result);
    change.onabort = () => reject(change.error);
    change.onerror = () => reject(change.error);
  });
}

/** @returns {Promise<Conversation[]>} all, the one that was changed last first */
export async function loadAll() {
  const found = await transaction("readonly", (table) => table.getAll());
  for (const conversation of found) {
    for (const answer of conversation.turns.flatMap((/** @type {any} */ turn) => turn.answers)) {
      // The page was closed while it ran.
      if (answer?.state === "running") answer.state = "stopped";
    }
  }
  return found.sort((a, b) => b.updated - a.updated);
}

/** @param {Conversation} conversation */
export const save = (conversation) => transaction("readwrite", (table) => table.put(structuredClone(conversation)));

/** @param {string} id */
export const remove = (id) => transaction("readwrite", (table) => table.delete(id));
