// @ts-check
/** Models by what can be done with them. */

/** @typedef {import("./client.js").Model} Model */

const NOT_HERE = ["not-downloaded", "downloading"];

/**
 * Groups that have models: what answers now, what has to be fetched first, and what never runs here.
 *
 * @param {Model[]} models
 * @returns {{key: "here" | "fetch" | "gone", title: string, models: Model[]}[]}
 */
export function byPlace(models) {
  /** @param {Model} model */
  const place = (model) => (model.state === "unavailable" ? "gone" : NOT_HERE.includes(model.state) ? "fetch" : "here");
  /** @type {[key: "here" | "fetch" | "gone", title: string][]} */
  const groups = [
    ["here", "On this machine"],
    ["fetch", "Not downloaded"],
    ["gone", "No weights"],
  ];
  return groups
    .map(([key, title]) => ({ key, title, models: models.filter((model) => place(model) === key) }))
    .filter((group) => group.models.length > 0);
}
