// @ts-check
/** Where there is math in Markdown: `$…$`, `\(…\)`, and on lines of its own `$$…$$` and `\[…\]`. */

/** Longer than this is not a formula. */
const MAX_LENGTH = 4000;

const INLINE = [
  /^\$\$((?:[^$\\]|\\[^])+?)\$\$/,
  // As Pandoc has it: no space inside, no digit behind, so that prices stay prices.
  /^\$(?![\s$])((?:[^$\\\n`]|\\[^\n])*?(?:[^$\\\s`]|\\[^\s]))\$(?!\d)/,
  /^\\\(((?:[^\\]|\\[^)])+?)\\\)/,
  /^\\\[((?:[^\\]|\\[^\]])+?)\\\]/,
];
const BLOCK = [/^ {0,3}\$\$((?:[^$\\]|\\[^])+?)\$\$[ \t]*(?:\n|$)/, /^ {0,3}\\\[((?:[^\\]|\\[^\]])+?)\\\][ \t]*(?:\n|$)/];

/**
 * Extensions for marked.
 *
 * @param {(source: string, display: boolean) => string} render
 * @returns {any[]}
 */
export function mathExtensions(render) {
  const renderer = (/** @type {any} */ { text, display }) => render(text, display);
  const found = (/** @type {string} */ name, /** @type {string} */ source, /** @type {RegExp[]} */ patterns) => {
    for (const [number, pattern] of patterns.entries()) {
      const match = pattern.exec(source.slice(0, MAX_LENGTH));
      if (!match) continue;
      const display = patterns === BLOCK || number === 0 || number === 3;
      return { type: name, raw: match[0], text: match[1].trim(), display };
    }
    return undefined;
  };
  return [
    {
      name: "mathBlock",
      level: "block",
      start: (/** @type {string} */ source) => source.match(/^ {0,3}(?:\$\$|\\\[)/m)?.index,
      tokenizer: (/** @type {string} */ source) => found("mathBlock", source, BLOCK),
      renderer: (/** @type {any} */ token) => `<p>${renderer(token)}</p>`,
    },
    {
      name: "math",
      level: "inline",
      start: (/** @type {string} */ source) => source.match(/\$|\\[([]/)?.index,
      tokenizer: (/** @type {string} */ source) => found("math", source, INLINE),
      renderer,
    },
  ];
}
