"""What the readers of quantised linears in safetensors folders are given, and what they give."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fireside.errors import BadWeights
from fireside.weights.checkpoint import AwqLinear, BlockLinear, Coding
from fireside.weights.safetensors_file import StoredTensor, check_shape

REMEDY = (
    "Take the model in bf16, f16 or f32, which Fireside itself rounds to 8 or 4 bits (weights under [engine] in its "
    "catalog file), or in 4-bit AWQ, GPTQ, compressed-tensors (W4A16) or GGUF."
)
"""What to do about a quantisation that is not read."""

_FLOATS = ("F32", "F16", "BF16")


@dataclass(frozen=True, slots=True)
class TensorSet:
    """The tensors of all safetensors files of a folder, by their stored names."""

    folder: Path
    tensors: Mapping[str, StoredTensor]

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def find(self, name: str) -> StoredTensor:
        """Raises BadWeights when there is none of this name."""
        tensor = self.tensors.get(name)
        if tensor is None:
            raise BadWeights(f"{self.folder.name}: no safetensors file here has the tensor {name}.")
        return tensor

    def checked(self, name: str, shape: tuple[int, ...], *dtypes: str) -> StoredTensor:
        """The tensor, of this shape and one of these dtypes. Raises BadWeights."""
        tensor = self.find(name)
        check_shape(tensor, shape, dtypes)
        return tensor

    def floats(self, name: str, shape: tuple[int, ...]) -> StoredTensor:
        """The tensor, of this shape and stored as floats. Raises BadWeights."""
        return self.checked(name, shape, *_FLOATS)


class QuantisedLinear(Protocol):
    """One linear whose headers were checked; its values are read when asked for."""

    @property
    def tensors(self) -> frozenset[str]:
        """Stored names of what it consists of."""
        ...

    @property
    def coding(self) -> Coding: ...

    def read(self) -> NDArray[np.float32] | AwqLinear | BlockLinear:
        """See `Checkpoint.linear`. Raises BadWeights."""
        ...

    def dense(self) -> NDArray[np.float32]:
        """Its values [out, in]. Raises BadWeights."""
        ...


class Quantisation(Protocol):
    """How a folder stores its quantised linears, by its config."""

    def open_linear(self, tensors: TensorSet, name: str, shape: tuple[int, int]) -> QuantisedLinear | None:
        """The linear [out, in] of this stored name; None when the folder has it as floats. Raises BadWeights."""
        ...

    def is_spare(self, tensor: str) -> bool:
        """Whether a tensor that no linear consists of may be there anyway."""
        ...


def finite(tensor: StoredTensor) -> NDArray[np.float32]:
    """The tensor's values. Raises BadWeights when one is infinite or not a number."""
    values = tensor.float32()
    if not np.isfinite(values).all():
        raise BadWeights(f"{tensor.path.name}: tensor {tensor.name} has values that are infinite or not a number.")
    return values
