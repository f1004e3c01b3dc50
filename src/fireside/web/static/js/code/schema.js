// @ts-check
/** The API's own JSON schema as a list of parameters: what the server checks is what the pages offer. */

/**
 * @typedef {object} Parameter
 * @property {string} name
 * @property {"number" | "integer" | "boolean" | "string" | "choice" | "json"} type
 * @property {number} [min]
 * @property {number} [max]
 * @property {any} [default]
 * @property {string} description
 * @property {string[]} [choices]
 * @property {("prompt" | "messages")[]} forms which of the two inputs have it
 */

const FORMS = /** @type {const} */ (["prompt", "messages"]);

/**
 * All parameters but the texts themselves, in the schema's order.
 *
 * @param {any} schema the input schema: `oneOf` the form with `prompt` and the one with `messages`
 * @returns {Parameter[]}
 */
export function parametersOf(schema) {
  /** @type {Map<string, Parameter>} */
  const found = new Map();
  for (const form of FORMS) {
    const part = schema.oneOf.find((/** @type {any} */ one) => one.required?.includes(form));
    for (const [name, property] of Object.entries(part?.properties ?? {})) {
      if (name === form) continue;
      const parameter = found.get(name) ?? describe(name, property);
      parameter.forms.push(form);
      found.set(name, parameter);
    }
  }
  return [...found.values()];
}

/**
 * @param {string} name
 * @param {any} property
 * @returns {Parameter}
 */
function describe(name, property) {
  return {
    name,
    type: kind(property),
    min: property.minimum,
    max: property.maximum,
    default: property.default,
    description: property.description ?? "",
    choices: property.enum,
    forms: [],
  };
}

/**
 * @param {any} property
 * @returns {Parameter["type"]}
 */
function kind(property) {
  if (property.enum) return "choice";
  if (["number", "integer", "boolean", "string"].includes(property.type)) return property.type;
  const simple = property.anyOf?.find((/** @type {any} */ one) => one.type === "boolean");
  return simple ? "boolean" : "json";
}

/** The bound of numbers that have none of their own: the largest of 32 bits. */
const NO_BOUND = 2 ** 31 - 1;

/**
 * The bounds in words: "0 to 5", "1 or more".
 *
 * @param {Pick<Parameter, "min" | "max" | "choices">} parameter
 */
export function bounds({ min, max, choices }) {
  if (choices) return choices.join(", ");
  if (min === undefined && max === undefined) return "";
  if (max === undefined || max === NO_BOUND) return `${min?.toLocaleString("en-US")} or more`;
  return `${min?.toLocaleString("en-US")} to ${max.toLocaleString("en-US")}`;
}
