/**
 * Model output as Markdown, made safe. Loaded only when there is something to show.
 *
 * Two vetted libraries do it: marked parses, DOMPurify keeps a few harmless elements and drops all else. HTML in the
 * text stays text, images are not fetched, and links lead to http and https only.
 */

import { Marked } from "../../vendor/marked-18.2.1.esm.js";
import "../../vendor/dompurify-3.4.18.min.js";
import { copyButton } from "../lib/copy-button.js";
import { h } from "../lib/dom.js";

/** Beyond this a text is shown as it is: parsing time grows faster than the text. */
export const MAX_LENGTH = 60_000;

const TAGS = "p br hr strong em del code pre blockquote ul ol li h3 h4 h5 h6 table thead tbody tr th td a".split(" ");

const marked = new Marked({
  gfm: true,
  breaks: true,
  tokenizer: {
    // No match: what looks like HTML is text like any other.
    html: () => undefined,
    tag: () => undefined,
  },
  renderer: {
    /** @this {any} */
    heading(/** @type {any} */ { tokens, depth }) {
      const level = Math.min(depth + 2, 6);
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>`;
    },
    image: (/** @type {any} */ { text, href }) => escaped(`[image: ${text || href}]`),
    checkbox: (/** @type {any} */ { checked }) => (checked ? "☑ " : "☐ "),
  },
});

const purify = /** @type {any} */ (globalThis).DOMPurify;
purify.addHook("afterSanitizeAttributes", (/** @type {Element} */ element) => {
  if (element.tagName !== "A") return;
  if (!element.hasAttribute("href")) return;
  element.setAttribute("rel", "noopener noreferrer nofollow");
  element.setAttribute("target", "_blank");
});

/**
 * @param {string} text
 * @returns {DocumentFragment}
 */
export function rendered(text) {
  const fragment = purify.sanitize(marked.parse(text), {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ["href", "start"],
    ALLOWED_URI_REGEXP: /^https?:\/\//i,
    ALLOW_ARIA_ATTR: false,
    ALLOW_DATA_ATTR: false,
    KEEP_CONTENT: true,
    RETURN_DOM_FRAGMENT: true,
  });
  for (const pre of fragment.querySelectorAll("pre")) {
    pre.tabIndex = 0;
    pre.setAttribute("role", "region");
    pre.setAttribute("aria-label", "Code");
    pre.replaceWith(
      h("div", { class: "code-block", dir: "ltr" }, pre.cloneNode(true), copyButton("Copy code", () => pre.textContent ?? "")),
    );
  }
  for (const block of fragment.querySelectorAll("p, li, h3, h4, h5, h6, td, th, blockquote")) block.setAttribute("dir", "auto");
  return fragment;
}

/** @param {string} text */
const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
