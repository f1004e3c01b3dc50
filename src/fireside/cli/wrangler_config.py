"""A Worker's wrangler configuration: its `ai` binding replaced by a service binding, and all else left as it is.

An edit changes only the text it must, comments and layout stay; and it counts only if the changed text, read again,
says what it said before but for the binding.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fireside.errors import ConfigError

NAMES = ("wrangler.json", "wrangler.jsonc", "wrangler.toml")
"""In wrangler's own order."""

ERROR_NAMES_SINCE = "2026-04-21"
"""From this compatibility date on, errors keep their names between Workers."""
ERROR_NAMES_FLAG = "enhanced_error_serialization"

_STRING_OR_COMMENT = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_STRING_OR_LAST_COMMA = re.compile(r'"(?:\\.|[^"\\])*"|,(?=\s*[}\]])', re.DOTALL)
_SPACE = re.compile(r"[\s,]*")
_AI_TABLE = re.compile(r"^[ \t]*\[ai\][ \t]*(?:#[^\n]*)?\r?\n(?:[ \t]*(?!\[)[^\n]*(?:\n|\Z))*", re.MULTILINE)
_AI_INLINE = re.compile(r"^ai[ \t]*=[ \t]*\{[^\n{}]*\}", re.MULTILINE)
_AI_KEY = re.compile(r"[ \t]*(?:binding|remote|experimental_remote|staging)[ \t]*=")


def find(folder: Path) -> Path | None:
    """The configuration that wrangler would take in a folder."""
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def parse(text: str, is_toml: bool) -> dict[str, Any]:
    """What a configuration says. Raises ValueError."""
    text = text.removeprefix("\ufeff")  # a byte order mark
    data = tomllib.loads(text) if is_toml else json.loads(_as_json(text))
    if not isinstance(data, dict):
        raise ValueError("it is no object")
    return data


def replace_ai(text: str, is_toml: bool, service: str) -> str:
    """The text with a service binding in place of its `ai` binding.

    Args:
        service: name of the Worker that the binding is to call.

    Raises:
        ConfigError: it has no `ai` binding, or one that is written in a way which is better changed by hand.
    """
    try:
        before = parse(text, is_toml)
    except ValueError as error:
        raise ConfigError(f"It cannot be read: {error}.") from error
    match before:
        case {"ai": {"binding": str(name)}}:
            pass
        case _:
            raise ConfigError("It has no ai binding at its top level.")
    after = _replace_toml(text, name, service) if is_toml else _replace_json(text, name, service)
    expected = {key: value for key, value in before.items() if key != "ai"}
    expected["services"] = [*before.get("services", []), {"binding": name, "service": service}]
    try:
        is_right = _unordered(parse(after, is_toml)) == _unordered(expected)
    except ValueError:
        is_right = False
    if not is_right:
        raise ConfigError("Its ai binding is written in a way that is better changed by hand.")
    return after


def environments_with_ai(data: dict[str, Any]) -> list[str]:
    """Names of the environments that have an `ai` binding of their own."""
    environments = data.get("env")
    return [name for name, value in environments.items() if "ai" in value] if isinstance(environments, dict) else []


def loses_error_names(data: dict[str, Any]) -> bool:
    """Whether errors from other Workers come as plain `Error`s, their names part of the text."""
    flags = data.get("compatibility_flags", [])
    return str(data.get("compatibility_date", "")) < ERROR_NAMES_SINCE and ERROR_NAMES_FLAG not in flags


def _unordered(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "services": sorted(data.get("services", []), key=repr)}


def _as_json(text: str) -> str:
    """JSON without comments and last commas, every character that is left at its old place."""
    blanked = _STRING_OR_COMMENT.sub(lambda found: found[0] if found[0][0] == '"' else " " * len(found[0]), text)
    return _STRING_OR_LAST_COMMA.sub(lambda found: found[0] if found[0][0] == '"' else " ", blanked)


def _members(text: str) -> Iterator[tuple[str, int, int, int]]:
    """Name, start, start of the value and end of each member of the outermost object."""
    decoder, at = json.JSONDecoder(), text.index("{") + 1
    while text[at := _skip(text, at)] != "}":
        name, end = decoder.raw_decode(text, at)
        value = _skip(text, text.index(":", end) + 1)
        _, end = decoder.raw_decode(text, value)
        yield name, at, value, end
        at = end


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _replace_json(text: str, name: str, service: str) -> str:
    plain = _as_json(text)
    members = {member: place for member, *place in _members(plain)}
    binding = f'{{ "binding": {json.dumps(name)}, "service": {json.dumps(service)} }}'
    start, _, end = members["ai"]
    if "services" not in members:
        return f'{text[:start]}"services": [{binding}]{text[end:]}'
    _, at, services_end = members["services"]
    if plain[at + 1 : services_end - 1].strip():
        binding += ", "
    end = _skip(plain, end)
    changes = sorted([(start, end, ""), (at + 1, at + 1, binding)], reverse=True)
    for start, end, new in changes:
        text = text[:start] + new + text[end:]
    return text


def _replace_toml(text: str, name: str, service: str) -> str:
    values = f"binding = {json.dumps(name)}", f"service = {json.dumps(service)}"
    if _AI_INLINE.search(text):
        return _AI_INLINE.sub(lambda found: f"services = [{{ {', '.join(values)} }}]", text)

    def table(found: re.Match[str]) -> str:
        header, *lines = found[0].splitlines(keepends=True)
        kept = [line for line in lines if not _AI_KEY.match(line)]
        end = header[len(header.rstrip("\r\n")) :]
        return "".join([header.replace("[ai]", "[[services]]", 1), *(f"{value}{end}" for value in values), *kept])

    return _AI_TABLE.sub(table, text)
