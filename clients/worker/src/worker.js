// The Worker that stands in for the binding: others bind it as AI (services), and call env.AI.run as ever.
//
// It has no `fetch`, on purpose: a request from the internet must not reach Fireside with this Worker's token.

import { WorkerEntrypoint } from "cloudflare:workers";
import { Ai } from "./ai.js";

export default class extends WorkerEntrypoint {
  run(model, inputs, options) {
    return new Ai(this.env).run(model, inputs, options);
  }

  models(params) {
    return new Ai(this.env).models(params);
  }
}
