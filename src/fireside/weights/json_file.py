"""Reads the JSON of weight files and those beside them."""

import json
from pathlib import Path
from typing import Any

from fireside.errors import BadWeights

MAX_BYTES = 1 << 20
"""Of a config."""


def parse_json(content: bytes) -> Any:
    """What the bytes of a JSON file say: UTF-8, UTF-16 or UTF-32, with or without a byte order mark (RFC 4627, 3).

    Windows' editors write marks, and its shell UTF-16. Raises ValueError for what is not a text, no JSON, or has a key
    that occurs twice or a lone surrogate, and RecursionError.
    """
    text = content.decode(json.detect_encoding(content))
    values = json.loads(text, object_pairs_hook=without_duplicates)
    if "\\ud" in text or "\\uD" in text:
        try:
            json.dumps(values, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise ValueError("it holds a lone surrogate, which no text has") from error
    return values


def read_json(path: Path, most_bytes: int = MAX_BYTES) -> Any:
    """What the file says. Raises BadWeights, which names the file, for one that is missing, broken or larger."""
    try:
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
        if len(content) > most_bytes:
            raise BadWeights(f"{path.name}: larger than {most_bytes} bytes, so not what its name says. Fetch it again.")
        return parse_json(content)
    except OSError as error:
        raise BadWeights(f"{path.name}: cannot be read: {error.strerror}. Fetch the model again.") from error
    except (ValueError, RecursionError) as error:
        raise BadWeights(f"{path.name}: cannot be read as JSON: {error}. Fetch the model again.") from error


def read_json_object(path: Path, most_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """The object in the file. Raises BadWeights as `read_json` does, and for a file that holds anything else."""
    values = read_json(path, most_bytes)
    if not isinstance(values, dict):
        raise BadWeights(f"{path.name}: not a JSON object. Fetch the model again.")
    return values


def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For `json.loads` as object_pairs_hook. Raises ValueError for a key that occurs twice."""
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise ValueError(f"the key {key[:100]!r} occurs twice")
        values[key] = value
    return values
