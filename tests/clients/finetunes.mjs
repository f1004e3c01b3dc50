// The official TypeScript SDK: create, upload both files, list, list public. Prints what it got as JSON.
import Cloudflare, { toFile } from "cloudflare";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

const [baseURL, folder, model] = process.argv.slice(2);
const client = new Cloudflare({ apiToken: "any", baseURL, maxRetries: 0 });
const account_id = "acc";
const { id } = await client.ai.finetunes.create({ account_id, model, name: "typed", public: true });
const uploads = [];
for (const file_name of ["adapter_config.json", "adapter_model.safetensors"]) {
  const file = await toFile(await readFile(join(folder, file_name)), file_name);
  uploads.push(await client.ai.finetunes.assets.create(id, { account_id, file_name, file }));
}
const list = await client.ai.finetunes.list({ account_id });
const shared = [];
for await (const one of client.ai.finetunes.public.list({ account_id })) shared.push(one);
const answer = await client.ai.run(model, { account_id, prompt: "hello there", lora: "typed" });
let refusal = null;
try {
  await client.ai.finetunes.create({ account_id, model, name: "typed" });
} catch (error) {
  refusal = { status: error.status, code: error.errors?.[0]?.code };
}
console.log(JSON.stringify({ id, uploads, list, shared, answer, refusal }));
