// @ts-check
/** `<fs-conversations>`: begin, find, open, rename, delete, export and import conversations. */

import { announce } from "../lib/announce.js";
import { confirmed } from "../lib/dialog.js";
import { debounced, fill, h } from "../lib/dom.js";
import { plural } from "../lib/format.js";
import { icon } from "../lib/icons.js";
import { menu } from "../lib/menu.js";
import { toast } from "../lib/toast.js";
import { playground } from "./controller.js";
import { titleOf } from "./conversation.js";
import { closeDrawers } from "./drawer.js";
import { openShortcuts } from "./shortcuts.js";

/** @typedef {import("./conversation.js").Conversation} Conversation */

const PAUSE_MS = 200;

class Conversations extends HTMLElement {
  #list = h("ul", { class: "conversation-list", "aria-label": "Conversations" });
  #search = h("input", { type: "search", id: "search", "aria-label": "Search conversations", placeholder: "Search", dir: "auto", autocomplete: "off" });
  /** @type {import("./search.js").Found[] | null} what the search found, while there is one */
  #found = null;
  #looking = new AbortController();
  #renaming = "";

  connectedCallback() {
    const file = h("input", { type: "file", accept: ".json,application/json", hidden: true, "aria-label": "File to import" });
    file.addEventListener("change", () => this.#import(file));
    fill(
      this,
      h("button", { type: "button", class: "button primary wide", onclick: begin }, icon("plus"), "New conversation"),
      h("h2", { class: "panel-title" }, "Conversations"),
      this.#search,
      this.#list,
      h("p", { class: "hint" }, "Kept in this browser only."),
      h(
        "div",
        { class: "panel-actions" },
        h("button", { type: "button", class: "button small", onclick: () => exportAll() }, icon("download"), "Export"),
        h("button", { type: "button", class: "button small", onclick: () => file.click() }, icon("upload"), "Import"),
        file,
      ),
      h("button", { type: "button", class: "button small plain", onclick: openShortcuts }, icon("keyboard"), "Shortcuts"),
    );
    const look = debounced(() => this.#look(), PAUSE_MS);
    this.#search.addEventListener("input", look);
    this.#search.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Escape" || !this.#search.value) return;
      event.stopPropagation();
      this.#search.value = "";
      this.#look();
    });
    playground.addEventListener("list", () => this.#draw());
    this.#draw();
  }

  #draw() {
    if (this.#renaming) return;
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset.key;
    const there = this.#found?.filter(({ conversation }) => playground.conversations.includes(conversation));
    const found = there ?? playground.conversations.map((conversation) => ({ conversation, snippet: "" }));
    const nothing = this.#found ? "Nothing is found." : "None yet. Say something, and it appears here.";
    fill(
      this.#list,
      found.length ? found.map(({ conversation, snippet }) => this.#item(conversation, snippet)) : h("li", { class: "hint" }, nothing),
    );
    if (focused) /** @type {HTMLElement | null} */ (this.querySelector(`[data-key="${CSS.escape(focused)}"]`))?.focus();
  }

  async #look() {
    this.#looking.abort();
    const looking = new AbortController();
    this.#looking = looking;
    const wanted = this.#search.value;
    const { search } = await import("./search.js");
    const found = wanted.trim() ? await search(wanted, playground.conversations, looking.signal) : null;
    if (looking.signal.aborted) return;
    this.#found = found;
    this.#draw();
    if (found) announce(`${plural(found.length, "conversation")} found.`);
  }

  /**
   * @param {Conversation} conversation
   * @param {string} snippet what the search found in it
   */
  #item(conversation, snippet) {
    const { id } = conversation;
    const title = titleOf(conversation);
    const current = conversation === playground.current;
    return h(
      "li",
      { class: current ? "current" : "" },
      h(
        "button",
        {
          type: "button",
          class: "conversation-title",
          dir: "auto",
          "aria-current": current ? "true" : null,
          "data-key": `open ${id}`,
          onclick: () => (playground.open(id), closeDrawers()),
        },
        title,
        snippet && h("span", { class: "snippet" }, snippet),
      ),
      ...menu(`Actions for ${title}`, { "data-key": `menu ${id}` }, [
        { label: "Rename", sign: "edit", run: () => this.#rename(conversation) },
        { label: "Export", sign: "download", run: () => download(conversation) },
        { label: "Delete", sign: "trash", run: () => remove(conversation) },
      ]),
    );
  }

  /** @param {Conversation} conversation */
  #rename(conversation) {
    this.#renaming = conversation.id;
    const field = h("input", { "aria-label": "Title", maxlength: "200", dir: "auto", ".value": titleOf(conversation) });
    const finish = (/** @type {boolean} */ keep) => {
      if (!this.#renaming) return;
      this.#renaming = "";
      if (keep) playground.rename(conversation.id, field.value);
      this.#draw();
      /** @type {HTMLElement | null} */ (this.querySelector(`[data-key="menu ${CSS.escape(conversation.id)}"]`))?.focus();
    };
    field.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      // Else the same key would press the button that the focus goes to.
      if (event.key === "Enter") (event.preventDefault(), finish(true));
      else if (event.key === "Escape") (event.stopPropagation(), finish(false));
    });
    field.addEventListener("blur", () => finish(true));
    const opener = this.querySelector(`[data-key="menu ${CSS.escape(conversation.id)}"]`);
    fill(/** @type {Element} */ (opener?.closest("li")), field);
    field.select();
  }

  /** @param {HTMLInputElement} input */
  async #import(input) {
    const file = input.files?.[0];
    if (!file) return;
    input.value = "";
    const { imported } = await import("./transfer.js");
    try {
      const found = await imported(file);
      playground.add(found);
      toast(found.length === 1 ? "One conversation was imported." : `${found.length} conversations were imported.`);
      closeDrawers();
    } catch (error) {
      toast(/** @type {Error} */ (error).message);
    }
  }
}

function begin() {
  playground.begin();
  closeDrawers();
  document.getElementById("message")?.focus();
}

/** @param {Conversation} conversation */
async function remove(conversation) {
  const text = `“${titleOf(conversation)}” is kept nowhere else.`;
  if (await confirmed("Delete this conversation?", text, "Delete")) await playground.remove(conversation.id);
}

function exportAll() {
  if (playground.conversations.length) download(...playground.conversations);
  else toast("There is nothing to export yet.");
}

/** @param {...Conversation} conversations */
async function download(...conversations) {
  const { exported } = await import("./transfer.js");
  await Promise.all(conversations.map((conversation) => playground.library.read(conversation)));
  const url = URL.createObjectURL(new Blob([exported(conversations)], { type: "application/json" }));
  const link = h("a", { href: url, download: `fireside-${new Date().toISOString().slice(0, 10)}.json` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

customElements.define("fs-conversations", Conversations);
