"""AWQ's GEMM layout, as AutoAWQ writes it: "qweight", "qzeros" and "scales" beside each other."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fireside.errors import BadWeights, UnsupportedWeights
from fireside.weights.checkpoint import AwqLinear, Coding
from fireside.weights.hf_values import whole_number
from fireside.weights.nbits import dense_blocks, unpack_awq
from fireside.weights.quantised import REMEDY, TensorSet, finite
from fireside.weights.safetensors_file import StoredTensor

AWQ_GROUP_SIZES = (16, 32, 64, 128, 256)
"""Group sizes that ONNX Runtime's MatMulNBits takes as block size."""

_WANTED = {"version": "gemm", "bits": 4, "zero_point": True}
_USUAL_GROUP = 128


@dataclass(frozen=True, slots=True)
class Awq:
    """See `Quantisation`."""

    group_size: int

    def open_linear(self, tensors: TensorSet, name: str, shape: tuple[int, int]) -> "_Linear | None":
        """See `Quantisation`. Raises BadWeights."""
        if f"{name}.qweight" not in tensors:
            return None
        outputs, inputs = shape
        if inputs % self.group_size or outputs % 8:
            raise BadWeights(
                f"{tensors.folder.name}: {name} is {outputs} by {inputs}; AWQ groups of {self.group_size} do not fit."
            )
        groups, words = inputs // self.group_size, outputs // 8
        return _Linear(
            self.group_size,
            tensors.checked(f"{name}.qweight", (inputs, words), "I32"),
            tensors.checked(f"{name}.qzeros", (groups, words), "I32"),
            tensors.checked(f"{name}.scales", (groups, outputs), "F16"),
        )

    def is_spare(self, tensor: str) -> bool:
        """None is."""
        return False


@dataclass(frozen=True, slots=True)
class _Linear:
    group_size: int
    qweight: StoredTensor
    qzeros: StoredTensor
    scales: StoredTensor

    @property
    def tensors(self) -> frozenset[str]:
        return frozenset((self.qweight.name, self.qzeros.name, self.scales.name))

    @property
    def coding(self) -> Coding:
        return Coding(4, self.group_size, only=True)

    def read(self) -> AwqLinear:
        finite(self.scales)
        return AwqLinear(
            qweight=cast(NDArray[np.int32], self.qweight.map()),
            qzeros=cast(NDArray[np.int32], self.qzeros.map()),
            scales=cast(NDArray[np.float16], self.scales.map()),
            group_size=self.group_size,
        )

    def dense(self) -> NDArray[np.float32]:
        return dense_blocks(unpack_awq(self.read()))


def read_awq(file: Path, quantisation: dict[str, Any]) -> Awq:
    """By what the config `file` says. Raises BadWeights, UnsupportedWeights."""
    # What is not said is as AutoAWQ and transformers (`AwqConfig`) have it.
    for key, value in _WANTED.items():
        if (found := quantisation.get(key, value)) != value:
            raise UnsupportedWeights(f"{file.name}: AWQ with {key} {found!r}; Fireside reads {value!r} only. {REMEDY}")
    group = whole_number(file, quantisation, "group_size", _USUAL_GROUP)
    if group not in AWQ_GROUP_SIZES:
        raise UnsupportedWeights(f"{file.name}: AWQ with group_size {group}; Fireside runs {AWQ_GROUP_SIZES} only.")
    return Awq(group)
