// The official OpenAI SDK for TypeScript.
import OpenAI from "openai";
import { say, serve } from "./protocol.mjs";

const client = ({ url, token, base = "/client/v4/accounts/acc/ai/v1" }) =>
  new OpenAI({ baseURL: url + base, apiKey: token, maxRetries: 0 });
const question = ({ model, prompt, options }) => ({ model, messages: [{ role: "user", content: prompt }], ...options });

await serve({
  async answer(ask) {
    const { choices, usage } = await client(ask).chat.completions.create(question(ask));
    return { text: choices[0].message.content, finish: choices[0].finish_reason, tokens: usage.total_tokens };
  },
  async stream(ask) {
    let [text, finish, tokens] = ["", null, null];
    const options = { stream: true, stream_options: { include_usage: true } };
    for await (const { choices, usage } of await client(ask).chat.completions.create({ ...question(ask), ...options })) {
      for (const { delta, finish_reason } of choices) {
        if (delta.content) say({ piece: delta.content });
        text += delta.content ?? "";
        finish = finish_reason ?? finish;
      }
      tokens = usage?.total_tokens ?? tokens;
    }
    return { text, finish, tokens };
  },
  async complete(ask) {
    const { choices, usage } = await client(ask).completions.create({ model: ask.model, prompt: ask.prompt, ...ask.options });
    return { text: choices[0].text, finish: choices[0].finish_reason, tokens: usage.total_tokens };
  },
  async models(ask) {
    const ids = [];
    for await (const { id } of client(ask).models.list()) ids.push((await client(ask).models.retrieve(id)).id);
    return ids;
  },
});
