// @ts-check
/** The API's resources, one function for each thing the pages ask. All throw `ApiError`. */

import { modelSegments, segment } from "./paths.js";
import { accountPath, request } from "./session.js";

/**
 * @typedef {object} Model
 * @property {string} name its id
 * @property {string} id a uuid
 * @property {string} description
 * @property {{name: string}} task
 * @property {boolean} lora
 * @property {boolean} beta
 * @property {number} context_length
 * @property {{property_id: string, value: string}[]} properties
 * @property {string} prompt_style
 * @property {string} prompt_style_title for people
 * @property {string | null} default_system
 * @property {string | null} [retired] the day from which the hosted service has not answered for it
 * @property {string} [license]
 * @property {string | null} answered_by the model that stands in for it
 * @property {boolean} can_download
 * @property {number | null} download_bytes
 * @property {Costs} [costs]
 * @property {"ready" | "loading" | "idle" | "not-downloaded" | "downloading" | "failed" | "unavailable"} state
 * @property {string} detail
 * @property {{phase: string, share: number | null, done: number, total: number} | null} progress
 * @property {{running: number, waiting: number} | null} stats
 *
 * @typedef {object} Costs what the model takes on the server's machine; null where that is not known
 * @property {number | null} download_bytes
 * @property {number | null} disk_bytes
 * @property {number | null} memory_bytes
 * @property {number | null} tokens_per_second at most, by the speed of the memory
 * @property {string | null} problem why it cannot run there
 *
 * @typedef {object} FineTune
 * @property {string} id
 * @property {string} name
 * @property {string} model
 * @property {string} description
 * @property {"ready" | "incomplete" | "failed"} status
 * @property {string} status_message
 * @property {string} account_id
 *
 * @typedef {object} Preview
 * @property {string} model
 * @property {{text: string, control: boolean}[]} pieces
 * @property {number | null} tokens
 */

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<any>} what is under `result`
 */
async function result(path, options) {
  return (await (await request(path, options)).json()).result;
}

/**
 * @param {unknown} body
 * @param {AbortSignal} [signal]
 * @returns {RequestInit}
 */
function posted(body, signal) {
  return { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal };
}

/**
 * @typedef {{version: string, default_model: string, finetune_max_mb: number, documentation: string | null}} ServerFacts
 *
 * @returns {Promise<{server: ServerFacts, models: Model[]}>}
 */
export const listModels = () => result("/api/models");

/** @param {string} model */
export const startDownload = async (model) => result(`/api/models/${modelSegments(model)}/download`, { method: "POST" });

/** @param {string} model */
export const stopDownload = async (model) => result(`/api/models/${modelSegments(model)}/download`, { method: "DELETE" });

/**
 * What the model would read for a request.
 *
 * @param {string} model
 * @param {object} body
 * @param {AbortSignal} [signal]
 * @returns {Promise<Preview>}
 */
export const preview = async (model, body, signal) =>
  result(`/api/models/${modelSegments(model)}/preview`, posted(body, signal));

/**
 * @param {string} model
 * @returns {Promise<{input: any, output: any}>}
 */
export async function schemas(model) {
  return result(`${await accountPath()}/models/schema?model=${encodeURIComponent(model)}`);
}

/** @returns {Promise<FineTune[]>} the account's own and those that everybody may use */
export async function listFineTunes() {
  const path = `${await accountPath()}/finetunes`;
  const [own, shared] = await Promise.all([result(path), result(`${path}/public`)]);
  const ids = new Set(own.map((/** @type {FineTune} */ tune) => tune.id));
  return [...own, ...shared.filter((/** @type {FineTune} */ tune) => !ids.has(tune.id))];
}

/**
 * @param {{model: string, name: string}} wanted
 * @returns {Promise<FineTune>}
 */
export async function createFineTune(wanted) {
  return result(`${await accountPath()}/finetunes`, posted(wanted));
}

/**
 * @param {string} id
 * @returns {Promise<FineTune>}
 */
export async function readFineTune(id) {
  return result(`${await accountPath()}/finetunes/${segment(id)}`);
}

/** @param {string} id */
export async function deleteFineTune(id) {
  return result(`${await accountPath()}/finetunes/${segment(id)}`, { method: "DELETE" });
}

/**
 * @param {string} id
 * @param {File} file
 */
export async function uploadAsset(id, file) {
  const form = new FormData();
  form.set("file_name", file.name);
  form.set("file", file);
  return result(`${await accountPath()}/finetunes/${segment(id)}/finetune-assets`, {
    method: "POST",
    body: form,
  });
}
