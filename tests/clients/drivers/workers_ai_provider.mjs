// workers-ai-provider in its REST mode, with the Vercel AI SDK. It has no base URL, but takes a fetch.
import { generateText, streamText } from "ai";
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
});
