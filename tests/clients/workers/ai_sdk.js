// The Vercel AI SDK on workers-ai-provider, on the binding.
import { generateText, streamText } from "ai";
import { createWorkersAI } from "workers-ai-provider";

export default {
  async fetch(request, env) {
    const { model, stream, abortAfter, ...rest } = await request.json();
    const settings = { model: createWorkersAI({ binding: env.AI })(model), maxRetries: 0, ...rest };
    if (abortAfter) settings.abortSignal = AbortSignal.timeout(abortAfter);
    try {
      if (stream) {
        const result = streamText({ ...settings, onError() {} });
        const pieces = [];
        for await (const part of result.fullStream) {
          if (part.type === "error") throw part.error;
          if (part.type === "abort") return Response.json({ aborted: pieces.length });
          if (part.type === "text-delta") pieces.push(part.text);
        }
        return Response.json({ pieces, finishReason: await result.finishReason, usage: await result.usage });
      }
      const { text, finishReason, usage } = await generateText(settings);
      return Response.json({ text, finishReason, usage });
    } catch (error) {
      return Response.json({ name: error.name, message: error.message }, { status: 500 });
    }
  },
};
