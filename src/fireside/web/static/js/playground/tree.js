// @ts-check
/**
 * A conversation's turns as a tree: what is edited or run again stays, beside the new. Pure data.
 *
 * @typedef {import("./conversation.js").Turn} Turn
 * @typedef {Map<string, Turn>} Tree turns by id
 */

/**
 * The turns from the first to this one.
 *
 * @param {Tree} tree
 * @param {string} head id of the last turn shown; nothing, or one that is gone: none
 * @returns {Turn[]}
 */
export function pathTo(tree, head) {
  const path = [];
  const seen = new Set();
  for (let turn = tree.get(head); turn && !seen.has(turn.id); turn = tree.get(turn.parent)) {
    seen.add(turn.id);
    path.push(turn);
  }
  return path.reverse();
}

/**
 * @typedef {Map<string, Turn[]>} Children turns by the id of the one before them, the oldest first
 *
 * @param {Tree} tree
 * @returns {Children}
 */
export function childrenIn(tree) {
  /** @type {Children} */
  const children = new Map();
  const all = [...tree.values()].sort((a, b) => a.made - b.made || (a.id < b.id ? -1 : 1));
  for (const turn of all) {
    const beside = children.get(turn.parent);
    if (beside) beside.push(turn);
    else children.set(turn.parent, [turn]);
  }
  return children;
}

/**
 * Where the conversation went on last after a turn.
 *
 * @param {Children} children
 * @param {string} id
 * @returns {string} id of the last turn
 */
export function latestLeaf(children, id) {
  const seen = new Set();
  for (let now = id; ; ) {
    seen.add(now);
    const next = children.get(now)?.at(-1);
    if (!next || seen.has(next.id)) return now;
    now = next.id;
  }
}
