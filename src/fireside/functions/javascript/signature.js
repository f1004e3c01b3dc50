// What a function's code and comments say of its parameters. The code is parsed here, and never run.
//
// Acorn and comment-parser come before it, in one script; signature.py has the types of what it returns.

const MAX_DEPTH = 8; // pattern within pattern
const MAX_PARAMETERS = 128; // of a function, and properties of one pattern
const MAX_TAGS = 256; // @param tags of one comment
const MAX_NUMBER = 2 ** 53; // beyond it JSON's readers differ

/** The code is not a function whose parameters can be told. */
class CodeError extends Error {}

/** What is found in each function. `sources` are pairs of name and code. */
function read(sources) {
  return sources.map(([name, code]) => {
    try {
      return { type: "Signature", ...signatureOf(name, code) };
    } catch (error) {
      return { type: "Unreadable", error: reason(error, name) };
    }
  });
}

/** What is wrong with the code. Throws the error again when it is something else, as of too little memory. */
function reason(error, name) {
  if (error instanceof CodeError) return error.message;
  if (error.raisedAt === undefined) throw error;
  return `${noFunction(name)}: ${wellFormed(error.message.slice(0, 200))}`;
}

const noFunction = (name) => `it neither is a function nor declares one with the name ${name}`;

function signatureOf(name, code) {
  const { body, comments } = parse(code);
  const found = declared(name, body) ?? whole(body);
  if (!found) throw new CodeError(noFunction(name));
  const { node, places } = found;
  checkCount(node.params);
  return {
    parameters: node.params.map((parameter) => target("", parameter, MAX_DEPTH, code)),
    doc: readDoc(places.map((place) => docBefore(code, comments, place)).find(Boolean) ?? ""),
  };
}

/** The statements of the code, or the function without a name that it is, which no statement can be. */
function parse(code) {
  const comments = [];
  const options = { ecmaVersion: "latest", allowHashBang: false, onComment: comments };
  let fault;
  try {
    return { body: acorn.parse(code, options).body, comments };
  } catch (error) {
    fault = error;
  }
  comments.length = 0;
  try {
    const expression = acorn.parseExpressionAt(code, 0, options);
    const after = comments.reduceRight(
      (text, { start, end }) => (start < expression.end ? text : text.slice(0, start) + " ".repeat(end - start) + text.slice(end)),
      code,
    );
    if (/^[\s;]*$/.test(after.slice(expression.end))) {
      return { body: [{ type: "ExpressionStatement", start: expression.start, expression }], comments };
    }
  } catch (error) {
    // The reading that came further is the one that was meant.
    if (error.raisedAt > fault.raisedAt) throw error;
  }
  throw fault;
}

const isFunction = (node) => node?.type === "FunctionExpression" || node?.type === "ArrowFunctionExpression";

/** The last declaration of the name outside of all blocks, and the places before which its comment may stand. */
function declared(name, body) {
  let found;
  for (const statement of body) {
    if (statement.type === "FunctionDeclaration" && statement.id.name === name) {
      found = { node: statement, places: [statement.start] };
    }
    for (const each of statement.type === "VariableDeclaration" ? statement.declarations : []) {
      if (each.id.name !== name || !isFunction(each.init)) continue;
      const first = each === statement.declarations[0] ? [statement.start] : [];
      found = { node: each.init, places: [...first, each.start, each.init.start] };
    }
  }
  return found;
}

/** The function that the whole code is. */
function whole(body) {
  const [statement, ...others] = body.filter((each) => each.type !== "EmptyStatement");
  if (!statement || others.length) return undefined;
  const node = statement.type === "FunctionDeclaration" ? statement : statement.expression;
  if (node !== statement && !isFunction(node)) return undefined;
  return { node, places: [statement.start, node.start] };
}

/** The last comment before a place that is JSDoc, with nothing but comments between them; "" when there is none. */
function docBefore(code, comments, place) {
  let end = place;
  for (const { start, end: last } of comments.toReversed()) {
    if (last > end) continue;
    if (code.slice(last, end).trim()) break;
    if (code.startsWith("/**", start) && last - start > 4) return code.slice(start, last);
    end = start;
  }
  return "";
}

/** One parameter, or the property `key` of a pattern. */
function target(key, node, depth, code) {
  if (node.type === "RestElement" && node.argument.type === "Identifier") {
    return { name: node.argument.name, kind: "rest" };
  }
  if (node.type === "AssignmentPattern") {
    return { ...target(key, node.left, depth, code), default: literalSchema(node.right) };
  }
  if (node.type === "Identifier") return { name: key || node.name };
  if (node.type === "ArrayPattern" && depth > 0) return { name: key, kind: "pattern" };
  if (node.type === "ObjectPattern" && depth > 0) {
    checkCount(node.properties);
    return { name: key, kind: "pattern", fields: node.properties.map((each) => field(each, depth - 1, code)) };
  }
  throw new CodeError(`a parameter is not understood: ${wellFormed(code.slice(node.start, node.end).slice(0, 80))}`);
}

function field(node, depth, code) {
  if (node.type === "RestElement") return target("", node, depth, code);
  if (node.computed) throw new CodeError("a property of a parameter's pattern has no plain name");
  return target(wellFormed(String(node.key.name ?? node.key.value)), node.value, depth, code);
}

function checkCount(parameters) {
  if (parameters.length > MAX_PARAMETERS) throw new CodeError(`it has more than ${MAX_PARAMETERS} parameters`);
}

/** What a default value says of its parameter: a JSON schema's type and default, or nothing. */
function literalSchema(node) {
  switch (node.type) {
    case "Literal":
      if (typeof node.value === "string") return { type: "string", default: wellFormed(node.value) };
      if (typeof node.value === "boolean") return { type: "boolean", default: node.value };
      return typeof node.value === "number" ? numberSchema(node.value, node.raw) : {};
    case "TemplateLiteral":
      return node.expressions.length ? {} : { type: "string", default: wellFormed(node.quasis[0].value.cooked) };
    case "UnaryExpression": {
      const { operator, argument } = node;
      if (!"+-".includes(operator) || typeof argument.value !== "number") return {};
      return numberSchema(operator === "-" ? -argument.value : argument.value, argument.raw);
    }
    case "ArrayExpression":
      return node.elements.length ? { type: "array" } : { type: "array", default: [] };
    case "ObjectExpression":
      return node.properties.length ? { type: "object" } : { type: "object", default: {} };
    default:
      return {};
  }
}

/** Of 010, which is 8 in old JavaScript, only the type is told. */
function numberSchema(value, raw) {
  if (Math.abs(value) > MAX_NUMBER || /^0\d/.test(raw)) return { type: "number" };
  return { type: "number", default: value };
}

/** A comment's description, its parameters, and the text after `@schema`. */
function readDoc(comment) {
  const { tag, type, name, description } = CommentParser.tokenizers;
  const isText = ({ tag }) => ["description", "desc", "schema"].includes(tag);
  const unlessText = (tokenizer) => (spec) => (isText(spec) ? spec : tokenizer(spec));
  const [block] = CommentParser.parse(comment.replace(/\r\n?/g, "\n"), {
    spacing: "preserve",
    tokenizers: [tag(), unlessText(type("preserve")), unlessText(name()), description("preserve")],
  });
  const found = { description: block?.description ?? "", params: [], schema: "" };
  for (const tag of block?.tags ?? []) {
    if (["description", "desc"].includes(tag.tag)) found.description = tag.description;
    if (tag.tag === "schema") found.schema = tag.description.trim();
    if (["param", "arg", "argument"].includes(tag.tag) && found.params.length < MAX_TAGS) {
      const text = tag.description.replace(/^\s*-/, "");
      const { type, name, optional } = tag;
      found.params.push({ name: wellFormed(name), type: wellFormed(type), optional, description: oneLine(text) });
    }
  }
  return { ...found, description: oneLine(found.description), schema: wellFormed(found.schema) };
}

const oneLine = (text) => wellFormed(text.trim().replace(/\s+/g, " "));

/** Half characters, which are no text, become U+FFFD. */
const wellFormed = (text) => text.toWellFormed();
