// Runs what its request says, and tells what came of it.
import { Ai } from "fireside-worker";

/** What a binding has beside run and models. */
const calls = {
  async gatewayRun(AI, data) {
    const response = await AI.gateway("mine").run(data);
    const { status, headers } = response;
    return { status, step: headers.get("cf-aig-step"), type: headers.get("content-type"), text: await response.text() };
  },
  gatewayUrl: (AI, provider) => AI.gateway("mine").getUrl(provider ?? undefined),
  gatewayLog: (AI) => AI.gateway("mine").getLog("log-1"),
  gatewayPatch: (AI) => AI.gateway("mine").patchLog("log-1", { score: 1 }),
  isNoGateway: (AI) => typeof AI.gateway("mine").gateway,
  async fetch(AI) {
    const response = await AI.fetch("https://workers-binding.ai/ai-api/models/search?per_page=1");
    return (await response.json()).result.length;
  },
  toMarkdown: (AI) => AI.toMarkdown([{ name: "a.txt", blob: new Blob(["hi"], { type: "text/plain" }) }]),
  markdownFormats: (AI) => AI.toMarkdown().transform({ name: "a.txt", blob: new Blob(["hi"], { type: "text/plain" }) }),
  autorag: (AI) => AI.autorag("mine").search({ query: "hi" }),
  autoragStream: (AI) => AI.autorag("mine").aiSearch({ query: "hi", stream: true }),
  logs: (AI) => AI.getLogs(),
};

export default {
  async fetch(request, env) {
    const AI = env.AI ?? new Ai(env);
    const { model, inputs, options = {}, abortAfter, call, streams, reads } = await request.json();
    if (abortAfter) options.signal = AbortSignal.timeout(abortAfter);
    try {
      if (call) return Response.json({ answer: await calls[call](AI, inputs) });
      for (const [name, contentType] of Object.entries(streams ?? {})) {
        const body = new Blob(["RIFF"]).stream();
        inputs[name] = contentType === "bare" ? body : { body, ...(contentType && { contentType }) };
      }
      if (!model) return Response.json(await AI.models(inputs));
      const answer = await AI.run(model, inputs, options);
      if (reads) {
        for await (const _ of answer);
        return Response.json({ answer: "read to its end" });
      }
      if (answer instanceof ReadableStream) {
        return new Response(answer, { headers: { "content-type": "text/event-stream" } });
      }
      if (answer instanceof Response) {
        const { status, headers } = answer;
        return Response.json({ status, id: headers.get("cf-ai-req-id"), body: await answer.json() });
      }
      return Response.json({ answer, id: AI.lastRequestId, status: AI.lastRequestHttpStatusCode });
    } catch (error) {
      const { name, message } = error;
      return Response.json({ name, message, code: AI.lastRequestInternalStatusCode }, { status: 500 });
    }
  },
};
