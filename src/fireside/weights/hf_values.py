"""Typed reading of config.json: each value checked, each complaint with the file and the key."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fireside.errors import BadWeights


@dataclass(frozen=True, slots=True)
class HfValues:
    """The object of a config file.

    Args:
        defaults: what transformers' config class of the architecture takes for missing keys; null is a value.
    """

    file: Path
    entries: Mapping[str, Any]
    defaults: Mapping[str, Any]

    def get(self, key: str) -> Any:
        """Whatever the file says, or the architecture's default, or None."""
        return self.entries.get(key, self.defaults.get(key))

    def whole_number(self, key: str, default: int | None = None) -> int:
        """`default` stands for null, too. Raises BadWeights when there is no value, or one of another kind."""
        return whole_number(self.file, {key: self.get(key)}, key, default)

    def number(self, key: str, default: float | None = None) -> float:
        """`default` stands for null, too. Raises BadWeights when there is no value, or one of another kind."""
        value = self.get(key)
        return as_number(self.file, key, default if value is None else value)

    def boolean(self, key: str) -> bool:
        """False when it is missing or null. Raises BadWeights when it is of another kind."""
        value = self.get(key)
        if value is not None and not isinstance(value, bool):
            raise BadWeights(f"{self.file.name}: {key} is {value!r}, not true or false.")
        return bool(value)

    def table(self, key: str) -> "HfValues | None":
        """The object under a key; None when it is missing or null. Raises BadWeights when it is of another kind."""
        value = self.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise BadWeights(f"{self.file.name}: {key} is not an object.")
        return HfValues(self.file, value, {})


def whole_number(file: Path, values: Mapping[str, Any], key: str, default: int | None = None) -> int:
    """What the object of the config `file` says; `default` where it says nothing or null. Raises BadWeights."""
    value = values.get(key)
    if value is None:
        value = default
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadWeights(
            f"{file.name}: {key} is {'missing' if value is None else repr(value) + ', not a whole number'}."
        )
    return value


def as_number(file: Path, key: str, value: object) -> float:
    """The value of a key of the config `file` as a float. Raises BadWeights when it is missing, or no number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise BadWeights(f"{file.name}: {key} is {'missing' if value is None else repr(value) + ', not a number'}.")
    try:
        return float(value)
    except OverflowError as error:
        raise BadWeights(f"{file.name}: {key} is too large.") from error
