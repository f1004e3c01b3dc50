"""JSON schemas that take long to work out, or more memory or stack than there is."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from bench.attacks.target import Target, in_a_loop

AT_ONCE = 24


def hostile(size: int) -> list[dict[str, Any]]:
    """One schema of each kind. The larger the size, the worse."""
    chain = "#/anyOf/1/$defs"  # where it is in what is sent
    links = {
        f"d{number}": {"type": "object", "properties": {"a": {"$ref": f"{chain}/d{number + 1}"}}}
        for number in range(1000 * size)
    }
    return [
        {"allOf": [{"type": "string", "pattern": f".{{{number}}}a"} for number in range(1, 20 * size)]},
        {"$defs": {**links, f"d{1000 * size}": True}, "$ref": f"{chain}/d0"},
        {"enum": [f"value {number} of many" for number in range(4000 * size)]},
        {"type": "object", "patternProperties": {f"^{number}(a|b)*a(a|b){{9}}$": {} for number in range(40 * size)}},
        {
            "type": "object",
            "properties": {
                f"p{number}": {"type": "string", "pattern": f"a{number}.*b.*c"} for number in range(700 * size)
            },
            "required": [f"p{number}" for number in range(700 * size)],
        },
        {
            "type": "string",
            "pattern": f"^(.*a.{{{10 + size}}}){{{9 * size}}}$",
            "format": "uri",
            "maxLength": 300 * size,
        },
        {"allOf": [{"anyOf": [{"minItems": number}, {"minLength": number}]} for number in range(4 * size)]},
        {"anyOf": [{"type": "array", "items": _tower(40 * size)}, {"type": "object", "minProperties": 1}]},
    ]


def _tower(height: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "maxLength": 9999}
    for _ in range(height):
        schema = {"type": "array", "items": schema, "maxItems": 99, "minItems": 1}
    return schema


class _Requests(Sequence[bytes]):
    """Made when they are sent: all at once they would be larger than memory."""

    def __init__(self, target: Target, count: int) -> None:
        self._target = target
        self._count = count
        self._schemas = [json.dumps(schema) for size in (1, 2, 3) for schema in hostile(size)]

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> bytes:  # type: ignore[override]
        schema = self._schemas[number % len(self._schemas)]
        # A constant that no other request has makes another schema of it.
        turn = number // len(self._schemas)
        form = f'{{"type":"json_schema","json_schema":{{"anyOf":[{{"const":{turn}}},{schema}]}}}}'
        body = f'{{"prompt":"x","raw":true,"max_tokens":4,"response_format":{form}}}'.encode()
        return self._target.request("POST", self._target.run, body)


async def hostile_schemas(target: Target, seconds: float) -> Counter[str]:
    """24 hostile JSON schemas, again and again."""
    return await in_a_loop(target, seconds, _Requests(target, 24), at_once=AT_ONCE)


async def ever_new_schemas(target: Target, seconds: float) -> Counter[str]:
    """Hostile JSON schemas, no two of them alike."""
    return await in_a_loop(target, seconds, _Requests(target, 1_000_000), at_once=AT_ONCE)
