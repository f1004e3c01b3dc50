// @ts-check
/** Elements made in one line. Text stays text: nothing here, or anywhere on these pages, parses it as markup. */

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * Make an element.
 *
 * @param {string} tag
 * @param {Record<string, any>} [attributes] `onclick` and the like are listeners, `.value` and the like are properties;
 *   false, null and undefined leave an attribute out, true leaves it empty.
 * @param {...(Child | Child[])} children
 * @returns {any} the element
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.startsWith(".")) /** @type {any} */ (element)[name.slice(1)] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...nodes(children));
  return element;
}

/**
 * Put these into an element, in place of what it had.
 *
 * @param {Element} element
 * @param {...(Child | Child[])} children
 */
export function fill(element, ...children) {
  element.replaceChildren(...nodes(children));
}

/**
 * @param {(Child | Child[])[]} children
 * @returns {(Node | string)[]}
 */
function nodes(children) {
  return children
    .flat()
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : String(child)));
}

let last = 0;

/** @returns {string} an id that nothing else on the page has */
export function freshId() {
  last += 1;
  return `fs-${last}`;
}

/**
 * A function that waits until it has not been called for a while.
 *
 * @template {any[]} A
 * @param {(...values: A) => void} action
 * @param {number} milliseconds
 * @returns {(...values: A) => void}
 */
export function debounced(action, milliseconds) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), milliseconds);
  };
}
