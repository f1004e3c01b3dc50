// @ts-check
/** The model's facts as a list of terms. */

import { aliasesOf } from "../api/states.js";
import { h } from "../lib/dom.js";
import { count, rate, size } from "../lib/format.js";

/** @param {import("../api/client.js").Model} model */
export function propertyList(model) {
  const info = model.properties.find((property) => property.property_id === "info")?.value;
  const costs = /** @type {Partial<import("../api/client.js").Costs>} */ (model.costs ?? {});
  const aliases = aliasesOf(model);
  const link = info && /^https?:\/\//.test(info);
  const rows = [
    ["Model id", h("code", {}, model.name)],
    aliases.length > 0 && ["Further ids", aliases.map((alias) => h("code", { class: "block" }, alias))],
    ["Task", model.task.name],
    ["Context window", `${count(model.context_length)} tokens, prompt and answer together`],
    ["LoRA fine-tunes", model.lora ? "Taken: by id or name, in the field lora" : "Not taken"],
    ["Chat style", model.prompt_style_title ?? model.prompt_style],
    ["Default system message", model.default_system ?? "None"],
    ["Beta", model.beta ? "Yes" : "No"],
    model.retired && ["Retired where it was hosted", model.retired],
    model.license && ["License", model.license],
    model.download_bytes && ["Download", size(model.download_bytes)],
    costs.disk_bytes && ["On disk, with its cache", size(costs.disk_bytes)],
    costs.memory_bytes && ["Memory", `${size(costs.memory_bytes)} while it is loaded`],
    costs.tokens_per_second && ["Speed on this machine", `at most ${rate(costs.tokens_per_second)}: as fast as its memory is read`],
    costs.problem && ["On this machine", costs.problem],
    link && ["More about it", h("a", { href: info, rel: "noopener noreferrer", target: "_blank" }, info)],
  ];
  return h(
    "dl",
    { class: "properties" },
    ...rows.filter(Boolean).map((row) => {
      const [term, value] = /** @type {[string, any]} */ (row);
      return h("div", {}, h("dt", {}, term), h("dd", { dir: "auto" }, value));
    }),
  );
}
