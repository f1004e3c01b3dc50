// @ts-check
/** A conversation has an address of its own, so that a reload, the history and a bookmark lead back to it. */

const NAME = "c";

/** @returns {string} the id in the address, or nothing */
export const conversationInAddress = () => new URLSearchParams(location.search).get(NAME) ?? "";

/**
 * @param {string} id nothing for a conversation that has not begun
 * @param {{replace?: boolean}} [how] replace: it is the same view, which has got a name
 */
export function writeAddress(id, { replace = false } = {}) {
  const url = id ? `${location.pathname}?${NAME}=${encodeURIComponent(id)}` : location.pathname;
  if (url === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", url);
}
