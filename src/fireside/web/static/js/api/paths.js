// @ts-check
/**
 * Paths with names in them. A name comes from an address, a file or a database: none may lead to another route, so each
 * is checked and encoded here, and nowhere else.
 */

import { ApiError } from "./errors.js";

/** The catalog's own pattern for ids of models. */
const MODEL_ID = /^@(hf|cf)\/[A-Za-z0-9._-]+\/[A-Za-z0-9._-]+$/;
/** URLs have these for "here" and "one up", encoded or not. */
const DOTS = /^\.{1,2}$/;

/**
 * @param {string} name
 * @returns {boolean} whether this can be the id of a model
 */
export const isModelId = (name) => MODEL_ID.test(name) && !name.split("/").some((part) => DOTS.test(part));

/**
 * A model's id as part of a path. The pattern leaves nothing in it that would have to be encoded.
 *
 * @param {string} name
 * @returns {string}
 * @throws {ApiError}
 */
export function modelSegments(name) {
  if (!isModelId(name)) {
    throw new ApiError(`“${name.slice(0, 100)}” is not the id of a model.`, {
      advice: "Choose a model of this server; ids look like @hf/author/name.",
    });
  }
  return name;
}

/**
 * Any other name as one segment of a path.
 *
 * @param {string} name
 * @returns {string}
 * @throws {ApiError}
 */
export function segment(name) {
  if (!name || DOTS.test(name)) throw new ApiError(`“${name}” is not a name.`);
  return encodeURIComponent(name);
}
