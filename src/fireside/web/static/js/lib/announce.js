// @ts-check
/** What a screen reader says when nothing that has the focus changes. */

/** @type {HTMLElement | null} */
let region = null;

/**
 * Say it, politely. The same text twice in a row is said twice.
 *
 * @param {string} text
 */
export function announce(text) {
  if (!region) {
    region = document.createElement("div");
    region.setAttribute("role", "status");
    region.className = "visually-hidden";
    document.body.append(region);
  }
  region.textContent = region.textContent === text ? `${text}\u00a0` : text;
}
