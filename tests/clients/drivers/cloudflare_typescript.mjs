// The official Cloudflare SDK for TypeScript.
import Cloudflare from "cloudflare";
import { say, serve } from "./protocol.mjs";

const client = ({ url, token }) => new Cloudflare({ baseURL: `${url}/client/v4`, apiToken: token, maxRetries: 0 });
const account_id = "acc";

await serve({
  async answer(ask) {
    const said = await client(ask).ai.run(ask.model, { account_id, prompt: ask.prompt, ...ask.options });
    return { text: said.response, tokens: said.usage.total_tokens };
  },
  async stream(ask) {
    let [text, tokens, rest] = ["", null, ""];
    const input = { account_id, prompt: ask.prompt, stream: true, ...ask.options };
    const response = await client(ask).ai.run(ask.model, input).asResponse();
    for await (const bytes of response.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + bytes).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (!line.startsWith("data: ") || line === "data: [DONE]") continue;
        const frame = JSON.parse(line.slice("data: ".length));
        if (frame.error) throw new Error(frame.error.message);
        if (frame.response) say({ piece: frame.response });
        text += frame.response;
        tokens = frame.usage?.total_tokens ?? tokens;
      }
    }
    return { text, tokens };
  },
  async tools(ask) {
    const run = (messages, fields) => client(ask).ai.run(ask.model, { account_id, messages, ...fields });
    const question = { role: "user", content: ask.prompt };
    const said = await run([question], { tools: [ask.tool] });
    const [call] = said.tool_calls;
    const turn = { role: "assistant", content: said.response ?? "", tool_calls: [call] };
    const answered = await run([question, turn, { role: "tool", name: call.name, content: ask.result }]);
    return { ...call, text: answered.response };
  },
  async form(ask) {
    const response_format = { type: "json_schema", json_schema: ask.schema };
    return (await client(ask).ai.run(ask.model, { account_id, prompt: ask.prompt, response_format })).response;
  },
  async models(ask) {
    const names = [];
    for await (const { name } of client(ask).ai.models.list({ account_id })) names.push(name);
    return names;
  },
});
