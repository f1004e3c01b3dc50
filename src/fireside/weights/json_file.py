"""Reads the JSON of weight files and those beside them."""

import json
from pathlib import Path
from typing import Any

from fireside.errors import BadWeights

MOST_BYTES = 1 << 20
"""Of a config."""


def read_json_object(path: Path, most_bytes: int = MOST_BYTES) -> dict[str, Any]:
    """The object in the file. Raises BadWeights, which names the file, for one that is missing, broken or larger."""
    try:
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
        if len(content) > most_bytes:
            raise BadWeights(f"{path}: larger than {most_bytes} bytes, so not what its name says.")
        values = json.loads(content.decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadWeights(f"{path}: cannot be read as JSON: {error}. Fetch the model again.") from error
    if not isinstance(values, dict):
        raise BadWeights(f"{path}: not a JSON object. Fetch the model again.")
    return values


def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For `json.loads` as object_pairs_hook. Raises ValueError for a key that occurs twice."""
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise ValueError(f"the key {key[:100]!r} occurs twice")
        values[key] = value
    return values
