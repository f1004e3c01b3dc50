"""A Worker's wrangler configuration: another module as its `main`, its `ai` binding gone, and all else left as it is.

An edit changes only the text it must, comments and layout stay; and it counts only if the changed text, read again,
says what it said before except for those two. TOML is edited by tomlkit. For JSON with comments nothing of the kind is
kept: the edits are of characters, at places that the standard library's decoder finds.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import tomlkit
from tomlkit.items import AoT, Table, Whitespace

from fireside.errors import ConfigError

NAMES = ("wrangler.json", "wrangler.jsonc", "wrangler.toml")
"""In wrangler's own order."""

OLD_SERVICE = "fireside-ai"
"""What the service binding of projects calls that an earlier Fireside has changed."""

_UNBUNDLED = ("no_bundle", "find_additional_modules")
"""Settings with which modules are looked for beside the main one."""

_MARK = "\ufeff"
"""A byte order mark."""
_STRING_OR_COMMENT = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_STRING_OR_LAST_COMMA = re.compile(r'"(?:\\.|[^"\\])*"|,(?=\s*[}\]])', re.DOTALL)
_SPACE = re.compile(r"[\s,]*")


class Bound(NamedTuple):
    """What a configuration says of the Worker's model.

    Args:
        main: the Worker's own module, as the configuration has it.
        binding: name of the binding.
        is_old: the binding is a service's, as an earlier Fireside made it.
    """

    main: str
    binding: str
    is_old: bool


def find(folder: Path) -> Path | None:
    """The configuration that wrangler would take in a folder."""
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def parse(text: str, is_toml: bool) -> dict[str, Any]:
    """What a configuration says. Raises ValueError."""
    text = text.removeprefix(_MARK)
    data = tomllib.loads(text) if is_toml else json.loads(_as_json(text))
    if not isinstance(data, dict):
        raise ValueError("it is not an object")
    return data


def read_bound(data: dict[str, Any]) -> Bound:
    """The Worker's module and its model's binding. Raises ConfigError where there is none that could be replaced."""
    binding: str
    match data:
        case {"ai": {"binding": str(binding)}}:
            is_old = False
        case {"services": [*services]} if found := [each for each in services if _is_old(each)]:
            binding, is_old = found[0]["binding"], True
        case _:
            raise ConfigError("It has no ai binding at its top level.")
    if not binding.isidentifier():
        raise ConfigError(f"Its ai binding has the name {binding!r}.")
    main = data.get("main")
    if not isinstance(main, str) or not main.endswith((".js", ".mjs", ".ts", ".mts", ".jsx", ".tsx")):
        raise ConfigError("It names no JavaScript or TypeScript module as its main.")
    if tied := [name for name in _UNBUNDLED if data.get(name)]:
        raise ConfigError(f"With {tied[0]}, the Worker's modules have to lie beside its main one.")
    return Bound(main, binding, is_old)


def _is_old(service: object) -> bool:
    return isinstance(service, dict) and set(service) == {"binding", "service"} and service["service"] == OLD_SERVICE


def replace_main(text: str, is_toml: bool, main: str) -> str:
    """The text with another `main`, and without the binding of its model.

    Raises:
        ConfigError: as `read_bound` does, and where something is written in a way that is better changed by hand.
    """
    before = parse(text, is_toml)
    bound = read_bound(before)
    old = {"binding": bound.binding, "service": OLD_SERVICE}
    edit = _edit_toml if is_toml else _edit_json
    plain = text.removeprefix(_MARK)
    expected = before | {"main": main}
    if bound.is_old:
        expected["services"] = [service for service in before["services"] if service != old]
    else:
        del expected["ai"]
    try:
        after = text[: len(text) - len(plain)] + edit(plain, main, old if bound.is_old else None)
        is_right = _without_empty(parse(after, is_toml)) == _without_empty(expected)
    except (ValueError, LookupError):
        is_right = False
    if not is_right:
        raise ConfigError("It is written in a way that is better changed by hand.")
    return after


def environments_with_ai(data: dict[str, Any]) -> list[str]:
    """Names of the environments that have an `ai` binding of their own."""
    environments = data.get("env")
    return [name for name, value in environments.items() if "ai" in value] if isinstance(environments, dict) else []


def _without_empty(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if (name, value) != ("services", [])}


def _as_json(text: str) -> str:
    """JSON without comments and last commas, every character that is left at its old place."""
    return _STRING_OR_LAST_COMMA.sub(lambda found: found[0] if found[0][0] == '"' else " ", _without_comments(text))


def _without_comments(text: str) -> str:
    return _STRING_OR_COMMENT.sub(lambda found: found[0] if found[0][0] == '"' else " " * len(found[0]), text)


def _members(text: str) -> Iterator[tuple[str, int, int, int]]:
    """Name, start, start of the value and end of each member of the outermost object."""
    decoder, at = json.JSONDecoder(), text.index("{") + 1
    while text[at := _skip(text, at)] != "}":
        name, end = decoder.raw_decode(text, at)
        value = _skip(text, text.index(":", end) + 1)
        _, end = decoder.raw_decode(text, value)
        yield name, at, value, end
        at = end


def _elements(text: str, at: int) -> Iterator[tuple[Any, int, int]]:
    """Value, start and end of each element of the array that begins at `at`."""
    decoder, at = json.JSONDecoder(), at + 1
    while text[at := _skip(text, at)] != "]":
        value, end = decoder.raw_decode(text, at)
        yield value, at, end
        at = end


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _edit_json(text: str, main: str, old: dict[str, str] | None) -> str:
    plain = _as_json(text)
    members = {name: place for name, *place in _members(plain)}
    _, at, end = members["main"]
    edits = [(at, end, json.dumps(main))]
    start, at, end = members["ai" if old is None else "services"]
    if old is not None and len(elements := list(_elements(plain, at))) > 1:
        start, end = next((start, end) for value, start, end in elements if value == old)
    for first, last, new in sorted([*edits, *_removal(text, start, end)], reverse=True):
        text = text[:first] + new + text[last:]
    return text


def _removal(text: str, start: int, end: int) -> list[tuple[int, int, str]]:
    """The edits that take a member or an element out, with a comma after or before it, and with its line, if empty."""
    plain, edits = _without_comments(text), []
    after, before = plain[end:].lstrip(), plain[:start].rstrip()
    if after.startswith(","):
        end = len(plain) - len(after) + 1
    elif before.endswith(","):
        edits.append((len(before) - 1, len(before), ""))
    line, rest = text[text.rfind("\n", 0, start) + 1 : start], text[end:]
    ending = rest[: rest.find("\n") + 1]
    if ending and not (line + ending).strip():
        start, end = start - len(line), end + len(ending)
    return [*edits, (start, end, "")]


def _edit_toml(text: str, main: str, old: dict[str, str] | None) -> str:
    document = tomlkit.parse(text)
    document["main"] = main
    services = None if old is None else document["services"]
    if services is None or len(services) == 1:
        _take_out(document, "ai" if services is None else "services")
    else:
        place = next(place for place, service in enumerate(services) if service == old)
        beside = _beside(services[place])
        del services[place]
        if isinstance(services, AoT):
            _put_before(services, place, beside)
    return document.as_string()


def _take_out(document: tomlkit.TOMLDocument, name: str) -> None:
    """Remove a table, an array of one, or a value; what stood between its keys and after them stays where it was."""
    item = document[name]
    beside = _beside(item[0] if isinstance(item, AoT) else item)
    place = next(place for place, (key, _) in enumerate(document.body) if key is not None and key.key == name)
    document.remove(name)
    document.body[place] = None, Whitespace(beside, fixed=True)


def _put_before(services: AoT, place: int, beside: str) -> None:
    """Put comments where a table was."""
    if place < len(services):
        services[place].trivia.indent = beside + services[place].trivia.indent
    else:
        services[-1].add(Whitespace(beside, fixed=True))


def _beside(item: object) -> str:
    """The comments and empty lines of a table: those before the next table are among them."""
    return "".join(each.as_string() for key, each in item.value.body if key is None) if isinstance(item, Table) else ""
