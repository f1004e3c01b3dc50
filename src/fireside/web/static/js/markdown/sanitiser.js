// @ts-check
/**
 * The one place where text becomes markup: DOMPurify keeps a few harmless elements and drops all else. Links lead to
 * http and https only.
 */

import "../../vendor/dompurify-3.4.18.min.js";
import { copyButton } from "../lib/copy-button.js";
import { h } from "../lib/dom.js";

const TAGS = "p br hr strong em del code pre span blockquote ul ol li h3 h4 h5 h6 table thead tbody tr th td a".split(" ");
const MATH = (
  "math mrow mi mn mo ms mtext mspace mfrac msqrt mroot mstyle mpadded mphantom msub msup msubsup munder mover munderover " +
  "mmultiscripts mprescripts none mtable mtr mtd menclose"
).split(" ");
const MATH_ATTRIBUTES = (
  "display mathvariant stretchy fence form separator lspace rspace minsize maxsize symmetric largeop movablelimits accent " +
  "accentunder linethickness width height depth voffset columnalign rowspacing columnspacing columnlines rowlines " +
  "displaystyle scriptlevel columnspan rowspan notation"
).split(" ");
/** Classes of the highlighter and of the math, and no others: the page's own stay the page's. */
const CLASS = /^(?:(?:hljs-|tml-|mathcal|mathscr|mathrm|mathbf|mathit|menclose|textcircle|chr-|wbk-|ff-)[\w-]*|[a-z]+_)(?: (?:(?:hljs-|tml-|mathcal|mathscr|mathrm|mathbf|mathit|menclose|chr-|wbk-|ff-)[\w-]*|[a-z]+_))*$/;

const purify = /** @type {any} */ (globalThis).DOMPurify;
purify.addHook("uponSanitizeAttribute", (/** @type {Element} */ _, /** @type {any} */ data) => {
  if (data.attrName === "class" && !CLASS.test(data.attrValue)) data.keepAttr = false;
});
purify.addHook("afterSanitizeAttributes", (/** @type {Element} */ element) => {
  if (element.tagName !== "A" || !element.hasAttribute("href")) return;
  element.setAttribute("rel", "noopener noreferrer nofollow");
  element.setAttribute("target", "_blank");
});

/**
 * @param {string} html of one block
 * @returns {ChildNode[]} its elements
 */
export function safe(html) {
  const fragment = purify.sanitize(html, {
    ALLOWED_TAGS: [...TAGS, ...MATH],
    ALLOWED_ATTR: ["href", "start", "align", "class", ...MATH_ATTRIBUTES],
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
  for (const table of fragment.querySelectorAll("table")) {
    table.replaceWith(h("div", { class: "answer-table", tabindex: "0", role: "region", "aria-label": "Table" }, table.cloneNode(true)));
  }
  for (const block of fragment.querySelectorAll("p, li, h3, h4, h5, h6, td, th, blockquote")) block.setAttribute("dir", "auto");
  if (fragment.querySelector("math")) loadMathStyle();
  return [...fragment.childNodes];
}

let styled = false;

function loadMathStyle() {
  if (styled) return;
  styled = true;
  const href = new URL("../../vendor/temml-0.13.5.css", import.meta.url).href;
  document.head.append(h("link", { rel: "stylesheet", href }));
}
