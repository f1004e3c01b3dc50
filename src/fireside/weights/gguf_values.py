"""Typed reading of a GGUF file's metadata: each value checked, each complaint with the file and the key."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fireside.errors import BadWeights
from fireside.weights.gguf import GgufFile


@dataclass(frozen=True, slots=True)
class GgufValues:
    """Metadata under the prefix of the file's architecture, and the files that hold its tensors.

    Args:
        places: the file of each tensor, by the tensor's name.
    """

    file: GgufFile
    prefix: str
    places: Mapping[str, GgufFile]

    def key(self, name: str) -> str:
        """The whole key, such as "llama.block_count"."""
        return f"{self.prefix}.{name}"

    def single(self, name: str, default: object) -> object:
        """Any value that is not a list. Raises BadWeights for a list."""
        return single(self.file, self.key(name), default)

    def whole_number(self, name: str, default: int | None = None) -> int:
        """Raises BadWeights when it is missing and has no default, or is of another kind."""
        value = self.file.metadata.get(self.key(name), default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise BadWeights(
                f"{self.file.path.name}: {self.key(name)} is {'missing' if value is None else 'not one whole number'}."
            )
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """Raises BadWeights when it is missing and has no default, or is of another kind."""
        value = self.file.metadata.get(self.key(name), default)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise BadWeights(
                f"{self.file.path.name}: {self.key(name)} is {'missing' if value is None else 'not one number'}."
            )
        return float(value)


def single(file: GgufFile, key: str, default: object) -> object:
    """The value of a whole key. Raises BadWeights for a list."""
    value = file.metadata.get(key, default)
    if isinstance(value, list | np.ndarray):
        raise BadWeights(f"{file.path.name}: {key} is a list, not one value.")
    return value
