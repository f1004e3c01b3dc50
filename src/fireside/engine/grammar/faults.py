"""Error messages about a grammar, for the author of the JSON schema, pattern or tool that it was made from.

Each `%json` and pattern in a grammar has a title, which is a comment in the line above it.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from fireside.engine.grammar.keywords import Place, definition, shown_place, subschemas

Reason = Callable[[str], str]
"""Returns llguidance's message for a grammar, empty if it can be used."""

SEARCH_SECONDS = 0.5
"""CPU time for locating a fault; after it, the place found so far is reported."""

_JSON, _TITLE = "%json ", "// "
ANYTHING = "The JSON schema, pattern or tools"
_MAX_REASON = _MAX_PLACE = 200

_UNFIT = "no value fits it: "
_WORDS = [
    (r"Unimplemented keys: \[(.*)\]", r"these keywords are not supported: \1."),
    (
        r"oneOf constraints are not supported.*",
        "oneOf is supported only if its schemas clearly exclude each other: by type, by constants, or by a required "
        "property with different constants. Use anyOf.",
    ),
    (
        r"patternProperty regexes /(.*)/ and /(.*)/ are not disjoint",
        r"patternProperties: a name could match both \1 and \2. Make the patterns exclude each other.",
    ),
    (
        r"can't determine if patternProperty regexes /(.*)/ and /(.*)/ are disjoint",
        r"patternProperties: \1 and \2 are too complex to check that they exclude each other. Use simpler patterns.",
    ),
    (
        r"min/maxProperties only supported .*",
        "minProperties and maxProperties are supported only if all properties are required, or as 1 with "
        "additionalProperties false.",
    ),
    (r"Unsatisfiable schema: Regex is empty.*", f"{_UNFIT}its pattern, format and lengths contradict each other."),
    (
        r"Unsatisfiable schema: incompatible (types|boolean values)",
        f"{_UNFIT}its type, constants and allOf contradict each other.",
    ),
    (
        r"Unsatisfiable schema: range .* does not contain a multiple of (.*)",
        rf"{_UNFIT}there is no multiple of \1 within its bounds.",
    ),
    (r"Unsatisfiable schema: schema is false", f'{_UNFIT}it is false or {{"not": {{}}}}.'),
    (r"Unsatisfiable schema: (.*) is unsatisfiable(.*)", rf"{_UNFIT}nothing fits the \1\2."),
    (r"Unsatisfiable schema: All options in anyOf .*", f"{_UNFIT}nothing fits any schema of its anyOf."),
    (r"Unsatisfiable schema: (.*?)\.?", rf"{_UNFIT}\1."),
    (
        r"Unable to determine if regex is empty.*",
        "its pattern, format and lengths together are too complex. Leave one of them out, or use a simpler pattern.",
    ),
    (r"Failed to generate regex for (float|integer) range.*", "its bounds have too many digits. Round them."),
    (r"Value for 'multipleOf' has too many digits.*", "multipleOf has too many digits. Round it."),
    (
        r"circular references with sibling keys are not supported.*",
        "a $ref that leads back to itself cannot have other keywords beside it. Put them into the schema that it "
        "refers to.",
    ),
    (
        r".*(look-around|lookarounds|backreferences).*",
        r"look-around, back-references, \\b, and ^ or $ inside a pattern are not supported.",
    ),
    (
        r".*exceed the maximum number of nested.*",
        "its pattern nests brackets too deeply, or a bound in it has too many digits.",
    ),
    (r".*regex parse error: (.*)", r"its pattern is not supported: \1."),
    (r".*recursion limit exceeded.*", "it is nested too deeply. Use fewer levels."),
    (
        r"(schema too large|Schema intersection stack level exceeded|grammar size|initial lexer configuration"
        r"|Current row has|Too many items|fuel exhausted|DNF too large|lexer precomputation failed).*",
        "it is too complex. Use fewer or simpler patterns, lists and combinations.",
    ),
]
"""llguidance's messages, as patterns of the whole text, and their replacements."""

_CONTRADICTION = (
    "nothing can follow, because its schema or pattern contradicts itself here or requires characters that no token of "
    "this model contains. Check where it combines patterns, formats and allOf"
)
_COMPLEXITY = (
    "its patterns or lists have become too complex to follow. Use simpler patterns, or smaller values of maxLength, "
    "maxItems and the like"
)


def unusable(title: str, place: str, words: str) -> str:
    """The message for a schema or pattern that cannot be used.

    Args:
        title: what cannot be used.
        place: a JSON pointer to the fault; empty for the whole.
        words: why.
    """
    if len(place) > _MAX_PLACE:
        place = f"…{place[-_MAX_PLACE:]}"
    return f"{title}{f', at {place},' if place else ''} cannot be used: {words}"


def stopped(message: str) -> str:
    """Why an answer cannot continue, from llguidance's message, which is empty if no token is allowed."""
    if not message or message.startswith("NoExtension"):
        return _CONTRADICTION
    return (
        _COMPLEXITY if message.startswith(("lexer error", "parser error")) else "llguidance, which enforces it, failed"
    )


def plain(message: str) -> str:
    """llguidance's message in plain words, without the excerpt of the grammar or the backtrace that follows it."""
    first, *others = message.splitlines() or [""]
    text = re.sub(r"^at \d+\(\d+\): ", "", first).removeprefix("failed to compile JSON schema: ")
    details = [line.removeprefix("error: ") for line in others if line.startswith("error: ")]
    text = " ".join([text, *details[:1]])
    for theirs, ours in _WORDS:
        if match := re.fullmatch(theirs, text, re.DOTALL):
            text = match.expand(ours)
            break
    return text if len(text) <= _MAX_REASON else f"{text[:_MAX_REASON]}…"


def explained(grammar: str, message: str, reason: Reason) -> str:
    """The complete message for a grammar that llguidance has rejected.

    Each of its schemas is tried alone, and each part of the faulty one, down to the smallest.
    """
    deadline = time.process_time() + SEARCH_SECONDS
    titled = _titled(grammar)
    schemas = [(title, schema) for title, line in titled if (schema := _schema(line)) is not None]
    if not schemas:
        return unusable(titled[0][0] if titled else ANYTHING, "", plain(message))
    for title, schema in schemas:
        if own := reason(_alone(schema)):
            place, own = _smallest(schema, own, reason, deadline)
            return unusable(title, shown_place(place), plain(own))
        if time.process_time() > deadline:
            break
    # Each schema can be used, but not all of them together.
    return unusable(schemas[0][0] if len(schemas) == 1 else ANYTHING, "", plain(message))


def _titled(grammar: str) -> list[tuple[str, str]]:
    lines = grammar.splitlines()
    return [(title.removeprefix(_TITLE), line) for title, line in pairwise(lines) if title.startswith(_TITLE)]


def _schema(line: str) -> dict[str, Any] | None:
    """The JSON schema in a line; None if there is none or only a part, as in a client's own grammar."""
    try:
        schema = json.loads(line.partition(_JSON)[2])
    except (ValueError, RecursionError):
        return None
    return schema if isinstance(schema, dict) else None


def _smallest(schema: dict[str, Any], own: str, reason: Reason, deadline: float) -> tuple[Place, str]:
    """The place of the smallest part that cannot be used alone, and llguidance's message for it."""
    definitions = schema.get("$defs")
    place: Place = ()
    node: Any = {key: value for key, value in schema.items() if key not in ("$defs", "x-guidance")}
    seen = {place}
    while True:
        found = None
        for there, child in _parts(place, node, definitions):
            if time.process_time() > deadline:
                return place, own
            said = reason(_alone({"allOf": [child], "$defs": definitions or {}})) if there not in seen else ""
            if said and plain(said) == plain(own):
                found = there, child, said
                break
            # An unsatisfiable part is not a fault if it is optional.
            if said and not found and "unsatisfiable" in own:
                found = there, child, said
        if found is None:
            return place, own
        place, node, own = found
        seen.add(place)


def _parts(place: Place, node: Any, definitions: Any) -> Iterator[tuple[Place, Any]]:
    yield from (((*place, *step), child) for step, child in subschemas(node))
    name = definition(node.get("$ref")) if isinstance(node, dict) else None
    if name is not None and isinstance(definitions, dict) and name in definitions:
        yield ("$defs", name), definitions[name]


def _alone(schema: Any) -> str:
    return f"start: body\nbody: {_JSON}{json.dumps(schema, ensure_ascii=False)}\n"
