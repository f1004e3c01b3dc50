// @ts-check
/** `<fs-presets>`: settings under a name, to be used again in any conversation. */

import { confirmed, openDialog } from "../lib/dialog.js";
import { fill, freshId, h } from "../lib/dom.js";
import { icon } from "../lib/icons.js";
import { toast } from "../lib/toast.js";
import { playground } from "./controller.js";
import { listPresets, removePreset, writePreset } from "./storage.js";

/** @typedef {import("./storage.js").Preset} Preset */

class Presets extends HTMLElement {
  /** @type {Preset[]} */
  #presets = [];
  #select = h("select", { id: freshId() });
  #remove = h("button", { type: "button", class: "icon-button", "aria-label": "Delete this preset", title: "Delete this preset" }, icon("trash"));

  connectedCallback() {
    this.#select.addEventListener("change", () => this.#use());
    this.#remove.addEventListener("click", () => this.#delete());
    const save = h("button", { type: "button", class: "button small", onclick: () => this.#save() }, "Save as…");
    fill(
      this,
      h("div", { class: "field" }, h("label", { for: this.#select.id }, "Preset"), h("div", { class: "select-line" }, this.#select, this.#remove, save)),
    );
    for (const event of ["settings", "open"]) playground.addEventListener(event, () => this.#mark());
    this.#read();
  }

  async #read() {
    // Without a database there are none.
    this.#presets = await listPresets().catch(() => []);
    const none = this.#presets.length ? "None" : "None saved yet";
    fill(this.#select, h("option", { value: "" }, none), ...this.#presets.map(({ name }) => h("option", { value: name }, name)));
    this.#mark();
  }

  /** Show which preset the settings are, if any. */
  #mark() {
    const now = text(settings());
    const same = this.#presets.find(({ name: _, ...preset }) => text(preset) === now);
    this.#select.value = same?.name ?? "";
    this.#remove.hidden = !same;
  }

  #use() {
    const found = this.#presets.find(({ name }) => name === this.#select.value);
    if (!found) return this.#mark();
    const before = settings();
    const set = (/** @type {any} */ { mode, system, parameters }) => {
      playground.drafts.forget();
      playground.set({ mode, system, parameters });
    };
    set(found);
    return toast(`Preset “${found.name}” is in use.`, { label: "Undo", run: () => set(before) });
  }

  #save() {
    const field = h("input", { id: freshId(), maxlength: "80", required: true, autocomplete: "off", dir: "auto" });
    const submit = async (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      const name = field.value.trim();
      if (!name) return;
      dialog.close();
      try {
        await writePreset({ name, ...settings() });
        await this.#read();
        toast(`Saved as “${name}”.`);
      } catch {
        toast("The browser could not keep this preset.");
      }
    };
    const dialog = openDialog("Save the settings as a preset", [
      h("p", {}, "Kind of prompt, system message and parameters, in this browser. A preset of the same name is replaced."),
      h(
        "form",
        { class: "form", onsubmit: submit },
        h("div", { class: "field" }, h("label", { for: field.id }, "Name"), field),
        h("div", { class: "dialog-actions" }, h("button", { class: "button primary" }, "Save")),
      ),
    ]);
    field.focus();
  }

  async #delete() {
    const name = this.#select.value;
    if (!(await confirmed(`Delete the preset “${name}”?`, "The settings stay as they are now.", "Delete"))) return;
    await removePreset(name).catch(() => {});
    await this.#read();
  }
}

/** @returns {Omit<Preset, "name">} those of now */
function settings() {
  const { mode, system, parameters } = playground.current;
  return { mode, system, parameters };
}

/** @param {Omit<Preset, "name">} preset */
const text = ({ mode, system, parameters }) => JSON.stringify([mode, system, Object.entries(parameters).sort()]);

customElements.define("fs-presets", Presets);
