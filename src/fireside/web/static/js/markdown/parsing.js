// @ts-check
/** Asks the worker to parse, one text at a time, and ends it when it takes too long. */

/** Beyond this a text is shown as it is. */
const MAX_LENGTH = 200_000;
/** A text of that length takes a small part of this; only one made to be slow takes longer. */
const TIME_MS = 1500;

const url = new URL("./worker.js", import.meta.url).href;
/** The policy lets no string become a script's address but this one. */
const trusted = /** @type {any} */ (globalThis).trustedTypes?.createPolicy("fireside-worker", { createScriptURL: () => url });

/** @type {Worker | null} */
let worker = null;
/** @type {Promise<unknown>} the text before is done */
let before = Promise.resolve();
let count = 0;

/**
 * The blocks of a text as HTML that is not yet safe.
 *
 * @param {string} text
 * @returns {Promise<string[] | null>} null: it is too long, too deep, or takes too long
 */
export function parse(text) {
  if (text.length > MAX_LENGTH) return Promise.resolve(null);
  const mine = before.then(() => ask(text));
  before = mine;
  return mine;
}

/**
 * @param {string} text
 * @returns {Promise<string[] | null>}
 */
function ask(text) {
  worker ??= new Worker(trusted?.createScriptURL("") ?? url, { type: "module" });
  const asked = worker;
  count += 1;
  const id = count;
  return new Promise((resolve) => {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const finish = (/** @type {string[] | null} */ html, /** @type {boolean} */ lost) => {
      clearTimeout(timer);
      asked.removeEventListener("message", hear);
      asked.removeEventListener("error", fail);
      if (lost) (asked.terminate(), (worker = null));
      resolve(html);
    };
    const hear = (/** @type {MessageEvent} */ { data }) => {
      if (data.id !== id) return;
      // Loading a library is not its fault.
      if (data.begins) timer = setTimeout(() => finish(null, true), TIME_MS);
      else finish(data.html, false);
    };
    const fail = () => finish(null, true);
    asked.addEventListener("message", hear);
    asked.addEventListener("error", fail);
    asked.postMessage({ id, text });
  });
}
