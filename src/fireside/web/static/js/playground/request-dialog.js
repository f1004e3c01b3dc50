// @ts-check
/** A dialog with exactly one request: as code, as JSON, and as the text that the model reads. */

import "../parts/prompt-preview.js";
import { account, hasToken } from "../api/session.js";
import { states } from "../api/states.js";
import { codeRequest } from "../code/samples.js";
import { openDialog } from "../lib/dialog.js";
import { fill, freshId, h } from "../lib/dom.js";
import { shortName } from "../lib/format.js";
import { toast } from "../lib/toast.js";
import { codeBlock, requestCode } from "../parts/code-block.js";
import { playground } from "./controller.js";
import { requestBody } from "./request.js";

/**
 * @param {{index: number, lane: number, text?: string, answer?: import("./conversation.js").Answer}} which an answer's
 *   request as it was, or the one that would be sent now
 */
export async function openRequest({ index, lane, text, answer }) {
  let accountId;
  try {
    accountId = await account();
  } catch (error) {
    toast(/** @type {Error} */ (error).message);
    return;
  }
  const shown = h("div");
  const draw = (/** @type {number} */ number) => {
    const { lanes } = playground.current;
    const { model, lora } = answer ?? lanes[number];
    const parameters = answer?.parameters ?? playground.activeParameters;
    const body = requestBody(playground.current, index, number, { text, parameters, lora });
    const tabs = [
      { id: "json", label: "JSON", content: () => codeBlock(JSON.stringify(body, null, 2), "json", "Request body") },
      { id: "text", label: "Exact prompt", content: () => exactPrompt(model, body) },
    ];
    fill(shown, requestCode(codeRequest(accountId, model, body, { needsToken: hasToken(), preface: states.get(model)?.default_system }), tabs));
  };
  draw(lane);
  openDialog(answer ? "The request of this answer" : "This request as code", [!answer && choice(draw), shown].filter(Boolean), {
    wide: true,
  });
}

/**
 * Which of two lanes is shown.
 *
 * @param {(lane: number) => void} draw
 */
function choice(draw) {
  const { lanes } = playground.current;
  if (lanes.length < 2) return null;
  const id = freshId();
  const options = lanes.map(({ model, lora }, index) =>
    h("option", { value: index }, `${index + 1}: ${shortName(model)}${lora ? ` + ${playground.fineTuneName(lora)}` : ""}`),
  );
  const select = h("select", { id, onchange: () => draw(Number(select.value)) }, ...options);
  return h("div", { class: "field" }, h("label", { for: id }, "Of"), select);
}

/**
 * @param {string} model
 * @param {Record<string, any>} body
 */
function exactPrompt(model, body) {
  const seen = /** @type {any} */ (h("fs-prompt-preview"));
  const { lora: _, ...rest } = body;
  seen.update(model, rest, states.get(model)?.context_length ?? 0);
  return seen;
}
