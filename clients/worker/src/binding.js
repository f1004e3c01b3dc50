// @ts-check
// Gives a Worker its env.AI: to its handlers, to its classes, and to whoever imports env from cloudflare:workers.

import * as runtime from "cloudflare:workers";
import settings from "../fireside.json";
import { Ai } from "./ai.js";

/** @type {Ai | undefined} */
let ai;

/**
 * The env with its binding. One that is there already is Cloudflare's own (of an environment, say) and stays.
 *
 * @template T
 * @param {T} given
 * @returns {T}
 */
function give(given) {
  const env = /** @type {any} */ (given);
  if (env && typeof env === "object") {
    const { FIRESIDE_URL = settings.url, FIRESIDE_ACCOUNT = settings.account, FIRESIDE_TOKEN } = env;
    env[settings.binding] ??= ai ??= new Ai({ FIRESIDE_URL, FIRESIDE_ACCOUNT, FIRESIDE_TOKEN });
  }
  return given;
}

// In workerd there is one env, and this is all it takes. It happens before the Worker's own modules are read.
give(runtime.env);

// Vite's server gives each handler and each object a copy of the env that was.
const BASES = /** @type {any[]} */ ([runtime.DurableObject, runtime.WorkerEntrypoint, runtime.WorkflowEntrypoint]);
const GIVEN = new Map(
  BASES.filter(Boolean).map((Base) => [
    Base,
    class extends Base {
      /**
       * @param {unknown} context
       * @param {unknown} env
       */
      constructor(context, env) {
        super(context, give(env));
      }
    },
  ]),
);

/**
 * The default export of a Worker, given its module.
 *
 * @param {Record<string, any>} worker
 */
export function bind(worker) {
  for (const exported of Object.values(worker)) bindClass(exported);
  return typeof worker.default === "object" ? bindHandlers(worker.default) : worker.default;
}

/**
 * Put the constructor above between a class and the runtime's own that it extends.
 *
 * @param {unknown} type
 */
function bindClass(type) {
  while (typeof type === "function") {
    const base = Object.getPrototypeOf(type);
    const given = GIVEN.get(base);
    if (given && given !== type) Object.setPrototypeOf(type, given);
    type = base;
  }
}

/** @param {Record<PropertyKey, any>} handlers */
function bindHandlers(handlers) {
  return new Proxy(handlers, {
    get(target, name) {
      const handler = Reflect.get(target, name);
      if (typeof handler !== "function") return handler;
      /** @type {(event: unknown, env: unknown, context: unknown) => unknown} */
      const bound = (event, env, context) => handler.call(target, event, give(env), context);
      return bound;
    },
  });
}
