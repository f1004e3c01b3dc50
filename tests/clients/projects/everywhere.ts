// A Worker that has its env in every place there is: handlers, Durable Objects (of old, too), an entrypoint, a Workflow, an import.
import { DurableObject, WorkerEntrypoint, WorkflowEntrypoint, env as imported } from "cloudflare:workers";

const MODEL = "@cf/fireside/echo";
const typeWhenRead = typeof imported.AI?.run;

async function say(AI, prompt) {
  return (await AI.run(MODEL, { prompt })).response;
}

class Base extends DurableObject {}

export class Chat extends Base {
  typeWhenMade: string;

  constructor(context, env) {
    super(context, env);
    this.typeWhenMade = typeof env.AI?.run;
  }

  async ask(prompt) {
    return [this.typeWhenMade, await say(this.env.AI, prompt)];
  }
}

export class Old {
  constructor(context, private env) {}

  async fetch() {
    return new Response(await say(this.env.AI, "old"));
  }
}

export class Named extends WorkerEntrypoint {
  ask(prompt) {
    return say(this.env.AI, prompt);
  }
}

export class Flow extends WorkflowEntrypoint {
  run(event, step) {
    return step.do("say", () => say(this.env.AI, "workflow"));
  }
}

async function flow(namespace) {
  const instance = await namespace.create();
  for (;;) {
    const { status, output, error } = await instance.status();
    if (status === "complete") return output;
    if (status === "errored") throw error;
    await scheduler.wait(50);
  }
}

let scheduled = "";

export default {
  async fetch(request, env) {
    const stub = (namespace) => namespace.get(namespace.idFromName("one"));
    return Response.json({
      typeWhenRead,
      handler: await say(env.AI, "handler"),
      imported: await say(imported.AI, "imported"),
      object: await stub(env.CHAT).ask("object"),
      old: request.url.endsWith("?old=no") ? null : await (await stub(env.OLD).fetch("http://old/")).text(),
      entrypoint: await env.NAMED.ask("entrypoint"),
      workflow: await flow(env.FLOW),
      scheduled,
    });
  },
  async scheduled(event, env) {
    scheduled = await say(env.AI, "scheduled");
  },
};
