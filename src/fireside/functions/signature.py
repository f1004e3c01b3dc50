"""A function's parameters, read from its code."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fireside.functions.tokens import CodeError, Token, tokens_of

MAX_DEPTH = 8
"""Deepest pattern within pattern that is read."""

MAX_PARAMETERS = 128
"""Most parameters of a function, and most properties of one pattern."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter, or one property of an object pattern.

    Args:
        name: "" for a pattern at the top, which has none.
        kind: "rest" takes all that is left.
        fields: of an object pattern, its properties; None for all else.
        default: JSON schema of the default value, with the value itself when it is a plain one; None without default.
    """

    name: str
    kind: Literal["plain", "pattern", "rest"] = "plain"
    fields: "tuple[Parameter, ...] | None" = None
    default: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """What the code says of a function before it runs. `doc` is the text of the JSDoc comment before it, or ""."""

    parameters: tuple[Parameter, ...]
    doc: str = ""


def signature_of(name: str, code: str) -> Signature:
    """The signature of the function that the code declares under this name, or else is.

    Raises:
        CodeError: no such function was found, or its parameters are not understood.
    """
    tokens = tokens_of(code)
    while len(tokens) > 1 and tokens[-1].text == ";":
        tokens.pop()
    for start, doc in [*_declarations(tokens, name), _whole(tokens)]:
        if (parameters := _header(tokens, start)) is not None:
            return Signature(tuple(_parameter(part, MAX_DEPTH) for part in _split(parameters)), doc)
    raise CodeError(f"it neither is a function nor declares one with the name {name}")


def _declarations(tokens: Sequence[Token], name: str) -> Iterator[tuple[int, str]]:
    """Where functions may begin that are declared with this name outside of all brackets, and their comments."""
    depth = 0
    for place, token in enumerate(tokens):
        depth += token.opens() - token.closes()
        if depth or token.kind != "name":
            continue
        ahead = [later.text for later in tokens[place : place + 4]]
        if token.text in ("const", "let", "var") and ahead[1:3] == [name, "="]:
            yield place + 3, token.doc or tokens[place + 3].doc if place + 3 < len(tokens) else ""
        elif token.text == "function" and name in (ahead[1:2] + ahead[2:3] if ahead[1:2] == ["*"] else ahead[1:2]):
            asynchronous = place > 0 and tokens[place - 1].text == "async"
            yield place, tokens[place - 1].doc if asynchronous else token.doc


def _whole(tokens: Sequence[Token]) -> tuple[int, str]:
    """Where the function begins that the whole code is: at its beginning, or within brackets around all of it."""
    start = 0
    while start < MAX_DEPTH and _closing(tokens, start) == len(tokens) - 1 - start > start:
        start += 1
    return start, next((token.doc for token in tokens[: start + 1] if token.doc), "")


def _header(tokens: Sequence[Token], start: int) -> Sequence[Token] | None:
    """The tokens between the brackets of the parameters, if a function begins at `start`."""
    place = start
    text = [token.text for token in tokens[start : start + 4]] + [""] * 4
    if text[0] == "async" and text[1] != "=>":
        place, text = place + 1, text[1:]
    if text[0] == "function":
        place += text[:3].index("(") if "(" in text[:3] else 3
        end = _closing(tokens, place)
        return tokens[place + 1 : end] if end is not None else None
    if text[1] == "=>" and tokens[place].kind == "name":
        return tokens[place : place + 1]
    if text[0] == "(":
        end = _closing(tokens, place)
        if end is not None and end + 1 < len(tokens) and tokens[end + 1].text == "=>":
            return tokens[place + 1 : end]
    return None


def _closing(tokens: Sequence[Token], start: int) -> int | None:
    """Where the bracket closes that opens at `start`; None when there is none, or it never closes."""
    if start >= len(tokens) or not tokens[start].opens():
        return None
    depth = 0
    for place in range(start, len(tokens)):
        depth += tokens[place].opens() - tokens[place].closes()
        if depth == 0:
            return place
    return None


def _split(tokens: Sequence[Token]) -> list[Sequence[Token]]:
    """The parts between the commas that stand outside of all brackets."""
    parts, start, depth = [], 0, 0
    for place, token in enumerate(tokens):
        depth += token.opens() - token.closes()
        if depth == 0 and token.text == ",":
            parts.append(tokens[start:place])
            start = place + 1
    parts += [tokens[start:]] if start < len(tokens) else []
    if len(parts) > MAX_PARAMETERS:
        raise CodeError(f"it has more than {MAX_PARAMETERS} parameters")
    return parts


def _parameter(part: Sequence[Token], depth: int) -> Parameter:
    """One part of a parameter list."""
    if part and part[0].text == "..." and len(part) == 2 and part[1].kind == "name":
        return Parameter(part[1].text, "rest")
    target, default = _with_default(part)
    return _target("", target, default, depth)


def _field(part: Sequence[Token], depth: int) -> Parameter:
    """One part of an object pattern: `key`, `key: name`, `key: {…}`, each with or without a default, or `...rest`."""
    if part and part[0].text == "..." and len(part) == 2 and part[1].kind == "name":
        return Parameter(part[1].text, "rest")
    target, default = _with_default(part)
    if not target or target[0].kind not in ("name", "string", "number"):
        raise CodeError("a property of a parameter's pattern has no plain name")
    key = string_value(target[0].text) if target[0].kind == "string" else target[0].text
    if len(target) > 2 and target[1].text == ":":
        return _target(key, target[2:], default, depth)
    return _target(key, target, default, depth)


def _with_default(part: Sequence[Token]) -> tuple[Sequence[Token], dict[str, Any] | None]:
    depth = 0
    for place, token in enumerate(part):
        depth += token.opens() - token.closes()
        if depth == 0 and token.text == "=":
            return part[:place], literal_schema(part[place + 1 :])
    return part, None


def _target(key: str, target: Sequence[Token], default: dict[str, Any] | None, depth: int) -> Parameter:
    """What a value is bound to: a name, an object pattern or an array pattern."""
    if len(target) == 1 and target[0].kind in ("name", "string", "number"):
        return Parameter(key or target[0].text, default=default)
    if depth > 0 and target and _closing(target, 0) == len(target) - 1:
        if target[0].text == "{":
            fields = tuple(_field(part, depth - 1) for part in _split(target[1:-1]))
            return Parameter(key, "pattern", fields, default)
        if target[0].text == "[":
            return Parameter(key, "pattern", None, default)
    raise CodeError(f"a parameter is not understood: {' '.join(token.text for token in target)[:80]}")


def literal_schema(tokens: Sequence[Token]) -> dict[str, Any]:
    """What a default value says of its parameter: a JSON schema's type and default, or nothing."""
    if not tokens:
        return {}
    texts = [token.text for token in tokens]
    last = tokens[-1]
    if texts in (["[", "]"], ["{", "}"]):
        return {"type": "array", "default": []} if texts[0] == "[" else {"type": "object", "default": {}}
    if _closing(tokens, 0) == len(tokens) - 1 and texts[0] in "[{":
        return {"type": "array" if texts[0] == "[" else "object"}
    if texts in (["true"], ["false"]):
        return {"type": "boolean", "default": texts == ["true"]}
    if last.kind in ("string", "template") and len(tokens) == 1 and not last.text.endswith("${"):
        return {"type": "string", "default": string_value(last.text)}
    if last.kind == "number" and texts[:-1] in ([], ["-"], ["+"]):
        return _number_schema(last.text, negative=texts[0] == "-")
    return {}


def _number_schema(text: str, *, negative: bool) -> dict[str, Any]:
    plain = text.replace("_", "").lower()
    try:
        number: float = int(plain, 0) if plain.isdigit() or plain[:2] in ("0x", "0o", "0b") else float(plain)
    except ValueError:  # a BigInt, or 010, which is 8 in old JavaScript
        return {} if plain.endswith("n") else {"type": "number"}
    if abs(number) > _MAX_NUMBER:
        return {"type": "number"}
    return {"type": "number", "default": -number if negative else number}


_MAX_NUMBER = 2**53
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(\r\n|.))", re.DOTALL)
_PLAIN_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": "", "\r\n": ""}


def string_value(literal: str) -> str:
    """The value of a string literal, or of a template without substitutions."""

    def meant(match: re.Match[str]) -> str:
        if code := match[1] or match[2] or match[3]:
            number = int(code, 16)
            return chr(number) if number < 0xD800 or 0xDFFF < number < 0x110000 else "\ufffd"
        return _PLAIN_ESCAPES.get(match[4], match[4])

    return _ESCAPE.sub(meant, literal[1:-1])
