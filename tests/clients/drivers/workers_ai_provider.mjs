// workers-ai-provider in its REST mode, with the Vercel AI SDK. It has no base URL, but takes a fetch.
import { generateText, jsonSchema, Output, stepCountIs, streamText, tool } from "ai";
import { createWorkersAI } from "workers-ai-provider";
import { say, serve } from "./protocol.mjs";

function settings({ url, token, model, prompt, options }) {
  const here = (address, init) => fetch(address.replace("https://api.cloudflare.com", url), init);
  const provider = createWorkersAI({ accountId: "acc", apiKey: token, fetch: here });
  return { model: provider(model), prompt, maxRetries: 0, ...options };
}

await serve({
  async answer(ask) {
    const { text, finishReason, usage } = await generateText(settings(ask));
    return { text, finish: finishReason, tokens: usage.totalTokens };
  },
  async stream(ask) {
    const result = streamText({ ...settings(ask), onError() {} });
    let text = "";
    for await (const part of result.fullStream) {
      if (part.type === "error") throw part.error;
      if (part.type !== "text-delta") continue;
      say({ piece: part.text });
      text += part.text;
    }
    return { text, finish: await result.finishReason, tokens: (await result.usage).totalTokens };
  },
  async tools(ask) {
    const { name, description, parameters } = ask.tool;
    const called = [];
    const execute = (given) => {
      called.push(given);
      return ask.result;
    };
    const tools = { [name]: tool({ description, inputSchema: jsonSchema(parameters), execute }) };
    // Echo would say its prompt, a call, forever.
    const prepareStep = ({ stepNumber }) => ({ toolChoice: stepNumber ? "none" : "auto" });
    const asked = { ...settings(ask), tools, prepareStep, stopWhen: stepCountIs(2) };
    const { text } = await generateText(asked);
    const streamed = streamText({ ...asked, onError() {} });
    if ((await streamed.text) !== text || called.length !== 2) throw new Error(`${called.length}: ${await streamed.text}`);
    return { name, arguments: called[1], text };
  },
  async form(ask) {
    const output = Output.object({ schema: jsonSchema(ask.schema) });
    return (await generateText({ ...settings(ask), output })).output;
  },
});
