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
 * The turn and what else was said in its place, the oldest first.
 *
 * @param {Tree} tree
 * @param {Turn} turn
 * @returns {Turn[]}
 */
export const versions = (tree, { parent }) => childrenOf(tree, parent);

/**
 * Where the conversation went on last after a turn.
 *
 * @param {Tree} tree
 * @param {string} id
 * @returns {string} id of the last turn
 */
export function latestLeaf(tree, id) {
  const seen = new Set();
  for (let now = id; ; ) {
    seen.add(now);
    const next = childrenOf(tree, now).at(-1);
    if (!next || seen.has(next.id)) return now;
    now = next.id;
  }
}

/**
 * @param {Tree} tree
 * @param {string} parent
 */
function childrenOf(tree, parent) {
  return [...tree.values()].filter((turn) => turn.parent === parent).sort((a, b) => a.made - b.made || (a.id < b.id ? -1 : 1));
}
