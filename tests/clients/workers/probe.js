// Runs what its request says, and tells what came of it.
import { Ai } from "fireside-worker";

export default {
  async fetch(request, env) {
    const AI = env.AI ?? new Ai(env);
    const { model, inputs, options = {}, abortAfter } = await request.json();
    if (abortAfter) options.signal = AbortSignal.timeout(abortAfter);
    try {
      if (!model) return Response.json(await AI.models(inputs));
      const answer = await AI.run(model, inputs, options);
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
