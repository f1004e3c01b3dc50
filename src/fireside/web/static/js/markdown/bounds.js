// @ts-check
/** How much markup a page takes of one answer. More would make it slow for as long as it is shown. */

const MAX_ELEMENTS = 10_000;
const MAX_DEPTH = 60;

/**
 * @param {string[]} html as the parser makes it: every tag is closed, or void
 * @throws {RangeError} where there is more
 */
export function measure(html) {
  let elements = 0;
  for (const block of html) {
    let depth = 0;
    for (const [, closing, name] of block.matchAll(/<(\/?)([a-z][a-z0-9]*)/g)) {
      if (closing) depth -= 1;
      else if (name !== "br" && name !== "hr") depth += 1;
      elements += closing ? 0 : 1;
      if (depth > MAX_DEPTH || elements > MAX_ELEMENTS) throw new RangeError("more markup than a page takes");
    }
  }
}
