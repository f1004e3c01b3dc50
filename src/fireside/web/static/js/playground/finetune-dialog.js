// @ts-check
/** A dialog with the fine-tunes of a model: what there is, and a new one out of two files. */

import { createFineTune, deleteFineTune, readFineTune, uploadAsset } from "../api/client.js";
import { account } from "../api/session.js";
import { states } from "../api/states.js";
import { announce } from "../lib/announce.js";
import { confirmed, openDialog } from "../lib/dialog.js";
import { fill, freshId, h } from "../lib/dom.js";
import { shortName, size } from "../lib/format.js";
import { icon } from "../lib/icons.js";
import { toast } from "../lib/toast.js";
import { problem } from "../parts/problem.js";
import { playground } from "./controller.js";

const CONFIG = "adapter_config.json";
const WEIGHTS = "adapter_model.safetensors";

/** @param {File} file */
export const isAdapterFile = (file) => file.name === CONFIG || file.name === WEIGHTS;

/**
 * @param {number} lane which one the new fine-tune is for
 * @param {File[]} [files] those that were dropped already
 */
export function openFineTunes(lane, files = []) {
  const { model } = playground.current.lanes[lane];
  if (!states.get(model)?.lora) {
    toast(`${shortName(model)} takes no fine-tunes. Choose another model first.`);
    return;
  }
  const list = h("div");
  const draw = async () => fill(list, ...(await listed(model, draw)));
  draw();
  const dialog = openDialog(`Fine-tunes of ${shortName(model)}`, [list, form(lane, model, files, () => dialog.close())]);
}

/**
 * @param {string} model
 * @param {() => void} redraw
 * @returns {Promise<Node[]>}
 */
async function listed(model, redraw) {
  const own = await account();
  const tunes = playground.fineTunes.filter((tune) => tune.model === model);
  if (!tunes.length) return [h("p", { class: "hint" }, "There are none yet.")];
  const remove = async (/** @type {import("../api/client.js").FineTune} */ tune) => {
    if (!(await confirmed(`Delete ${tune.name}?`, "Its files are deleted from the server.", "Delete"))) return;
    try {
      await deleteFineTune(tune.id);
      await playground.refreshFineTunes();
    } catch (error) {
      toast(/** @type {Error} */ (error).message);
    }
    redraw();
  };
  const item = (/** @type {import("../api/client.js").FineTune} */ tune) =>
    h(
      "li",
      {},
      h(
        "div",
        {},
        h("p", {}, h("strong", { dir: "auto" }, tune.name), tune.account_id !== own && " (public)"),
        h("p", { class: tune.status === "failed" ? "field-error" : "hint", dir: "auto" }, tune.status_message),
      ),
      tune.account_id === own &&
        h("button", { type: "button", class: "icon-button", "aria-label": `Delete ${tune.name}`, title: "Delete", onclick: () => remove(tune) }, icon("trash")),
    );
  return [h("ul", { class: "tunes" }, ...tunes.map(item))];
}

/**
 * @param {number} lane
 * @param {string} model
 * @param {File[]} given
 * @param {() => void} close
 */
function form(lane, model, given, close) {
  /** @type {Map<string, File>} */
  const files = new Map();
  const id = freshId();
  const name = h("input", { id, maxlength: "100", required: true, autocomplete: "off", dir: "auto", placeholder: "pirate" });
  const picker = h("input", { type: "file", multiple: true, hidden: true, accept: ".json,.safetensors", "aria-label": "Adapter files" });
  const found = h("ul", { class: "file-list" });
  const state = h("div", { class: "upload-state", "aria-live": "polite" });
  const button = h("button", { class: "button primary" }, "Add fine-tune");
  const take = (/** @type {Iterable<File>} */ more) => {
    const wrong = [...more].filter((file) => !isAdapterFile(file));
    for (const file of more) if (isAdapterFile(file)) files.set(file.name, file);
    fill(state, wrong.length > 0 && h("p", { class: "field-error" }, `${wrong[0].name} is neither ${CONFIG} nor ${WEIGHTS}.`));
    fill(found, ...[CONFIG, WEIGHTS].map((file) => fileLine(file, files.get(file))));
  };
  const drop = h(
    "div",
    { class: "drop-zone" },
    icon("upload"),
    h("p", {}, "Drop the two files of a LoRA adapter here, as PEFT saves them, or "),
    h("button", { type: "button", class: "button small", onclick: () => picker.click() }, "Choose files"),
    picker,
    found,
  );
  drop.addEventListener("drop", (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    event.stopPropagation();
    document.body.classList.remove("dropping");
    take(event.dataTransfer?.files ?? []);
  });
  picker.addEventListener("change", () => take(picker.files ?? []));
  take(given);
  const submit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const missing = [CONFIG, WEIGHTS].filter((file) => !files.has(file));
    if (missing.length) return fill(state, h("p", { class: "field-error" }, `${missing.join(" and ")} ${missing.length > 1 ? "are" : "is"} missing.`));
    button.disabled = true;
    if (await add({ lane, model, name: name.value.trim(), files: [...files.values()], state })) close();
    button.disabled = false;
    return undefined;
  };
  return h(
    "form",
    { class: "form", onsubmit: submit },
    h("h3", {}, "Add one"),
    drop,
    h("div", { class: "field" }, h("label", { for: id }, "Name"), name),
    state,
    h("div", { class: "dialog-actions" }, button),
  );
}

/**
 * @param {string} name
 * @param {File | undefined} file
 */
function fileLine(name, file) {
  return h("li", { class: file ? "here" : "" }, icon(file ? "check" : "file"), h("code", {}, name), file && ` ${size(file.size)}`);
}

/**
 * Make it and upload its files. The lane then answers with it.
 *
 * @param {{lane: number, model: string, name: string, files: File[], state: HTMLElement}} wanted
 * @returns {Promise<boolean>}
 */
async function add({ lane, model, name, files, state }) {
  const say = (/** @type {string} */ text) => fill(state, h("p", { class: "hint" }, text), h("progress", { "aria-label": text }));
  let made;
  try {
    say("Creating it…");
    made = await createFineTune({ model, name });
    for (const file of files) {
      say(`Uploading ${file.name} (${size(file.size)}), and checking it…`);
      await uploadAsset(made.id, file);
    }
    const { status, status_message: words } = await readFineTune(made.id);
    await playground.refreshFineTunes();
    if (status !== "ready") throw new Error(words);
    playground.setLane(lane, { lora: name });
    announce(`${name} is ready.`);
    toast(`${name} is ready, and chosen.`);
    return true;
  } catch (error) {
    // What was begun would only be in the way of the next try.
    if (made) await deleteFineTune(made.id).catch(() => {});
    await playground.refreshFineTunes().catch(() => {});
    fill(state, problem(/** @type {Error} */ (error)));
    return false;
  }
}
