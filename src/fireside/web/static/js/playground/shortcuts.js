// @ts-check
/** Keys that work anywhere on the playground, and the dialog that lists them. */

import { openDialog } from "../lib/dialog.js";
import { freshId, h } from "../lib/dom.js";
import { playground } from "./controller.js";
import { openDrawer } from "./drawer.js";

const KEY = "fireside.single-keys";

const LIST = [
  ["Enter", "Send the message"],
  ["Shift+Enter", "Begin a new line"],
  ["Ctrl+Enter", "Send or save what you edit"],
  ["Esc", "Stop the answer"],
  ["Ctrl+K", "Search the conversations"],
  ["Ctrl+Shift+O", "New conversation"],
  ["Shift+Esc", "Go to the message"],
  ["Alt+↑, Alt+↓", "Conversation before or after this one"],
  ["?, Ctrl+/", "This list"],
];

/** @returns {boolean} whether keys without Ctrl or Alt do something outside of fields */
function singleKeys() {
  try {
    return localStorage.getItem(KEY) !== "off";
  } catch {
    return true;
  }
}

/** @param {boolean} on */
function setSingleKeys(on) {
  try {
    localStorage.setItem(KEY, on ? "on" : "off");
  } catch {
    // The default holds, then.
  }
}

export function openShortcuts() {
  if (document.querySelector("dialog[open]")) return;
  const id = freshId();
  const single = h("input", { type: "checkbox", role: "switch", id, ".checked": singleKeys(), onchange: () => setSingleKeys(single.checked) });
  openDialog("Keyboard shortcuts", [
    h(
      "dl",
      { class: "shortcuts" },
      ...LIST.map(([keys, what]) => h("div", {}, h("dt", {}, ...keyed(keys)), h("dd", {}, what))),
    ),
    h("p", { class: "hint" }, "On a Mac, ⌘ does what Ctrl does here."),
    h("div", { class: "switch" }, h("label", { for: id }, "? alone opens this list"), single),
  ]);
}

/** @param {string} keys */
const keyed = (keys) =>
  keys.split(", ").flatMap((one, index) => [index > 0 && " or ", h("kbd", {}, one)]);

const focusMessage = () => document.getElementById("message")?.focus();

function focusSearch() {
  openDrawer("conversations");
  const field = /** @type {HTMLInputElement | null} */ (document.getElementById("search"));
  field?.focus();
  field?.select();
}

function begin() {
  playground.begin();
  focusMessage();
}

/** @param {number} step */
function walk(step) {
  const { conversations, current } = playground;
  const at = conversations.indexOf(current);
  const next = conversations[at < 0 ? 0 : at + step];
  if (next) playground.open(next.id);
}

/**
 * @param {KeyboardEvent} event
 * @returns {(() => void) | undefined}
 */
function actionOf(event) {
  const { key, altKey, shiftKey } = event;
  const control = event.ctrlKey || event.metaKey;
  if (control && !shiftKey && !altKey && key.toLowerCase() === "k") return focusSearch;
  if (control && !altKey && key === "/") return openShortcuts;
  if (control && shiftKey && !altKey && key.toLowerCase() === "o") return begin;
  if (shiftKey && !control && key === "Escape") return focusMessage;
  if (altKey && !control && !shiftKey && key === "ArrowUp") return () => walk(-1);
  if (altKey && !control && !shiftKey && key === "ArrowDown") return () => walk(1);
  if (key === "Escape" && playground.running && !event.defaultPrevented) return () => playground.stop();
  const writes = event.target instanceof HTMLElement && event.target.matches("input, textarea, select");
  if (key === "?" && !control && !altKey && !writes && singleKeys()) return openShortcuts;
  return undefined;
}

addEventListener("keydown", (event) => {
  if (event.isComposing || document.querySelector("dialog[open]")) return;
  const action = actionOf(event);
  if (!action) return;
  event.preventDefault();
  action();
});
