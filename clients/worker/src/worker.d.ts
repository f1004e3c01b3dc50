import { WorkerEntrypoint } from "cloudflare:workers";
import type { Ai, FiresideVariables } from "./ai.js";

/** A service binding to it is used as `env.AI` is. */
export default class FiresideWorker extends WorkerEntrypoint<FiresideVariables> {
  run: Ai["run"];
  models: Ai["models"];
}
