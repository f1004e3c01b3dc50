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
  async several(ask) {
    const create = (fields) =>
      client(ask).completions.create({ model: ask.model, prompt: ask.prompts, n: 2, logprobs: 1, ...fields });
    const texts = (await create()).choices.map(({ text }) => text);
    const streamed = texts.map(() => "");
    for await (const { choices } of await create({ stream: true })) {
      for (const { index, text } of choices) streamed[index] += text;
    }
    const scored = { ...question(ask), logprobs: true, top_logprobs: 1 };
    const { logprobs } = (await client(ask).chat.completions.create(scored)).choices[0];
    return { texts, streamed, tokens: logprobs.content.map(({ token }) => token) };
  },
  async tools(ask) {
    const asked = { ...question(ask), tools: [{ type: "function", function: ask.tool }] };
    const create = (fields) => client(ask).chat.completions.create({ ...asked, ...fields });
    const { message } = (await create()).choices[0];
    const [{ id, function: called }] = message.tool_calls;
    let streamed = "";
    for await (const { choices } of await create({ stream: true })) {
      for (const part of choices[0].delta.tool_calls ?? []) {
        streamed += (part.function.name ?? "") + (part.function.arguments ?? "");
      }
    }
    if (streamed !== called.name + called.arguments) throw new Error(streamed);
    const result = { role: "tool", tool_call_id: id, content: ask.result };
    const said = await create({ messages: [...asked.messages, message, result], tool_choice: "none" });
    return { name: called.name, arguments: JSON.parse(called.arguments), text: said.choices[0].message.content };
  },
  async form(ask) {
    const json_schema = { name: "person", schema: ask.schema };
    const said = await client(ask).chat.completions.parse({
      ...question(ask),
      response_format: { type: "json_schema", json_schema },
    });
    return JSON.parse(said.choices[0].message.content);
  },
  async models(ask) {
    const ids = [];
    for await (const { id } of client(ask).models.list()) ids.push((await client(ask).models.retrieve(id)).id);
    return ids;
  },
});
