// @ts-check
/**
 * Markdown to HTML, one piece for each block. Runs in a worker: what a model wrote may take long to parse.
 *
 * HTML in the text stays text, and images are not fetched. The page makes the result safe; here it is only made.
 */

import { Marked } from "../../vendor/marked-18.2.1.esm.js";
import { mathExtensions } from "./math.js";

/** Longer code is shown without colours. */
const MAX_HIGHLIGHTED = 50_000;

/** @type {{highlight: any, temml: any}} what is loaded when a text needs it */
const libraries = { highlight: null, temml: null };

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
    code: (/** @type {any} */ { text, lang }) => `<pre><code>${coloured(text, lang)}\n</code></pre>`,
    image: (/** @type {any} */ { text, href }) => escaped(`[image: ${text || href}]`),
    checkbox: (/** @type {any} */ { checked }) => (checked ? "☑ " : "☐ "),
  },
  extensions: mathExtensions((source, display) => rendered(source, display)),
});

/**
 * Load what a text needs beyond Markdown itself.
 *
 * @param {string} text
 */
export async function prepare(text) {
  if (!libraries.highlight && /^ {0,3}(```|~~~)[^\n]*\w/m.test(text)) {
    libraries.highlight = (await import("../../vendor/highlight-11.12.0.min.js")).default;
  }
  if (!libraries.temml && /\$|\\\(|\\\[/.test(text)) {
    libraries.temml = (await import("../../vendor/temml-0.13.5.esm.js")).default;
  }
}

/**
 * @param {string} text
 * @returns {string[]} HTML, block by block
 */
export function blocks(text) {
  const tokens = marked.lexer(text);
  return tokens.filter(({ type }) => type !== "space").map((token) => marked.parser([token]));
}

/**
 * @param {string} text
 * @param {string | undefined} info what stands behind the fence
 */
function coloured(text, info) {
  const language = info?.match(/^[\w+#-]+/)?.[0] ?? "";
  if (!libraries.highlight?.getLanguage(language) || text.length > MAX_HIGHLIGHTED) return escaped(text);
  return libraries.highlight.highlight(text, { language, ignoreIllegals: true }).value;
}

/**
 * @param {string} source TeX
 * @param {boolean} display on lines of its own
 * @returns {string} MathML; the source where it is none
 */
function rendered(source, display) {
  try {
    const html = libraries.temml.renderToString(source, { displayMode: display, throwOnError: true, trust: false, maxExpand: 200, maxSize: [20, 200] });
    // The pages' policy forbids styles in markup; classes do what matters.
    return html.replaceAll(/ style="[^"]*"/g, "");
  } catch {
    return `<code>${escaped(source)}</code>`;
  }
}

/** @param {string} text */
const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
