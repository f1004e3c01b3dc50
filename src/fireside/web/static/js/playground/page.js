// @ts-check
/** The playground: starts it, and takes files that are dropped anywhere on it. */

import "../lib/theme-toggle.js";
import "./chat.js";
import "./composer.js";
import "./drawer.js";
import "./settings.js";
import "./shortcuts.js";
import "./sidebar.js";
import { isAbort } from "../api/errors.js";
import { states } from "../api/states.js";
import { toast } from "../lib/toast.js";
import { problem } from "../parts/problem.js";
import { playground } from "./controller.js";

async function start() {
  await states.start();
  if (states.error && !states.loaded) throw states.error;
  await playground.start(new URLSearchParams(location.search).get("model"));
}

function begin() {
  start().catch((error) => {
    if (isAbort(error)) return;
    const message = problem(error, [{ label: "Try again", run: () => (message.remove(), begin()) }]);
    document.querySelector("fs-chat")?.replaceChildren(message);
  });
}

const hasFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");

addEventListener("dragover", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  document.body.classList.add("dropping");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dropping");
});
addEventListener("drop", async (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  document.body.classList.remove("dropping");
  const files = [...(event.dataTransfer?.files ?? [])];
  const { isAdapterFile, openFineTunes } = await import("./finetune-dialog.js");
  if (files.some(isAdapterFile)) {
    const lane = playground.current.lanes.findIndex((one) => states.get(one.model)?.lora);
    openFineTunes(Math.max(lane, 0), files);
  } else {
    toast("Drop adapter_config.json and adapter_model.safetensors to make a fine-tune of them.");
  }
});

begin();
