// Cloudflare's own loop of tool calls, on the binding.
import { runWithTools } from "@cloudflare/ai-utils";

const functions = { sum: ({ a, b }) => ({ result: a + b }) };

export default {
  async fetch(request, env) {
    const { model, prompt, tools, stream } = await request.json();
    const input = {
      messages: [{ role: "user", content: prompt }],
      tools: tools.map((tool) => ({ ...tool, function: functions[tool.name] })),
    };
    try {
      const answer = await runWithTools(env.AI, model, input, { streamFinalResponse: stream });
      return stream ? new Response(answer) : Response.json(answer);
    } catch (error) {
      return Response.json({ name: error.name, message: error.message }, { status: 500 });
    }
  },
};
