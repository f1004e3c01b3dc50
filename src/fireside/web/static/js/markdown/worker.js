// @ts-check
/** The worker that parses: says when it begins, so that the page can hold it to a time, and what came out. */

import { measure } from "./bounds.js";
import { blocks, prepare } from "./parser.js";

addEventListener("message", async ({ data: { id, text } }) => {
  try {
    await prepare(text);
    postMessage({ id, begins: true });
    const html = blocks(text);
    measure(html);
    postMessage({ id, html });
  } catch {
    // Too deep for the stack, or too much for a page: it is shown as it is.
    postMessage({ id, html: null });
  }
});
