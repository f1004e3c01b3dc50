// @ts-check
/** Numbers as people read them. */

const NUMBER = new Intl.NumberFormat("en-US");

/** @param {number} value */
export const count = (value) => NUMBER.format(value);

/**
 * Bytes in powers of ten: "92.9 MB".
 *
 * @param {number} bytes
 */
export function size(bytes) {
  const units = ["bytes", "kB", "MB", "GB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(value < 100 ? 1 : 0)} ${units[unit]}`;
}

/** @param {number} share 0 to 1 */
export const percent = (share) => `${Math.floor(share * 100)} %`;

/** @param {number} milliseconds */
export function duration(milliseconds) {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  return `${(milliseconds / 1000).toFixed(milliseconds < 10_000 ? 2 : 1)} s`;
}

/** @param {number} perSecond */
export const rate = (perSecond) => `${perSecond < 100 ? perSecond.toFixed(1) : count(Math.round(perSecond))} tok/s`;

/**
 * "1 token", "2 tokens".
 *
 * @param {number} value
 * @param {string} noun
 */
export const plural = (value, noun) => `${count(value)} ${noun}${value === 1 ? "" : "s"}`;

/**
 * What people call a model: the last part of its id, as words.
 *
 * @param {string} id
 */
export const shortName = (id) => id.slice(id.lastIndexOf("/") + 1);

/**
 * Who made a model.
 *
 * @param {string} id
 */
export const author = (id) => id.split("/")[1] ?? "";
