// @ts-check
/** What each parameter does, in a line. One that is not known here is told in the schema's words. */

/** @type {Record<string, string>} */
const MEANINGS = {
  raw: "Apply no chat template: the text goes to the model as it is.",
  stream: "Answer piece by piece, with server-sent events.",
  max_tokens: "The answer has at most this many tokens.",
  temperature: "Higher is more varied, lower more predictable; 0 always takes the likeliest token.",
  top_p: "Choose among the likeliest tokens that add up to this probability; above 1 means 1.",
  top_k: "Choose among this many of the likeliest tokens.",
  seed: "The same seed, request and machine give the same answer.",
  repetition_penalty: "Above 1 makes tokens that were in prompt or answer less likely; 1 is none.",
  frequency_penalty: "Makes a token less likely for each time the answer has used it; below 0, more likely.",
  presence_penalty: "Makes a token less likely once the answer has used it; below 0, more likely.",
  lora: "Id or name of a fine-tune made for this model.",
  stop: "Texts that end the answer.",
  response_format: "The form that the answer must have.",
  functions: "Functions the model may call, each with its code.",
  tools: "What the model may call.",
  tool_choice: "Whether the model may, must not or must call a tool.",
  options: "How the request is treated: rejectIfBusy asks to be refused rather than wait.",
};

/** @param {import("./schema.js").Parameter} parameter */
export const meaning = ({ name, description }) => MEANINGS[name] ?? description;
