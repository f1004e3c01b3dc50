"""GPTQ's layout, as AutoGPTQ and GPTQModel write it: "qweight", "qzeros", "scales" and "g_idx" beside each other.

Codes are packed along the inputs, zero points along the outputs, eight to an int32. The first format (version 1) keeps
each zero point less one, modulo 16. Source: `QuantLinear.pack` of AutoGPTQ, and `checkpoint_format` of GPTQModel.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fireside.errors import BadWeights, UnsupportedWeights
from fireside.weights.grouped import Arrays, GroupedLinear, check_group, read_order, unpack_words
from fireside.weights.hf_values import whole_number
from fireside.weights.quantised import REMEDY, TensorSet, finite

_FORMATS = {"gptq": 1, "gptq_v2": 0}
"""What is to be added to a stored zero point, by format."""


@dataclass(frozen=True, slots=True)
class Gptq:
    """See `Quantisation`.

    Args:
        group_size: inputs that share a scale; None when all of a row do.
        zero_offset: to be added to a stored zero point.
    """

    group_size: int | None
    zero_offset: int

    def open_linear(self, tensors: TensorSet, name: str, shape: tuple[int, int]) -> GroupedLinear | None:
        """See `Quantisation`. Raises BadWeights, UnsupportedWeights."""
        if f"{name}.qweight" not in tensors:
            return None
        outputs, inputs = shape
        group = self.group_size or inputs
        if inputs % group or inputs % 8 or outputs % 8:
            raise BadWeights(
                f"{tensors.folder.name}: {name} is {outputs} by {inputs}; GPTQ groups of {group} do not fit."
            )
        check_group(tensors.folder, group)
        qweight = tensors.checked(f"{name}.qweight", (inputs // 8, outputs), "I32")
        qzeros = tensors.checked(f"{name}.qzeros", (inputs // group, outputs // 8), "I32")
        scales = tensors.floats(f"{name}.scales", (inputs // group, outputs))
        parts = [qweight, qzeros, scales]
        order = None
        if f"{name}.g_idx" in tensors:
            parts.append(tensors.checked(f"{name}.g_idx", (inputs,), "I32"))
            order = read_order(parts[-1], group)

        def arrays() -> Arrays:
            codes = unpack_words(cast(NDArray[np.int32], qweight.map()).T)
            zeros = unpack_words(cast(NDArray[np.int32], qzeros.map())).T
            return codes, finite(scales).T, (zeros + np.uint8(self.zero_offset)) & np.uint8(15)

        return GroupedLinear(frozenset(part.name for part in parts), group, order, arrays)

    def is_spare(self, tensor: str) -> bool:
        """None is."""
        return False


def read_gptq(file: Path, quantisation: dict[str, Any]) -> Gptq:
    """By what the config `file` says. Raises BadWeights, UnsupportedWeights."""
    bits = whole_number(file, quantisation, "bits")
    if bits != 4:
        raise UnsupportedWeights(f"{file.name}: GPTQ with {bits} bits; Fireside reads 4 only. {REMEDY}")
    form = quantisation.get("checkpoint_format", "gptq")
    if form not in _FORMATS or quantisation.get("is_marlin_format"):
        raise UnsupportedWeights(
            f"{file.name}: GPTQ in the format {str(form)[:100]!r}; Fireside reads {' and '.join(_FORMATS)}. {REMEDY}"
        )
    if quantisation.get("dynamic"):
        raise UnsupportedWeights(f"{file.name}: GPTQ with other settings for some layers (dynamic). {REMEDY}")
    group = whole_number(file, quantisation, "group_size")
    if group == -1:
        return Gptq(None, _FORMATS[form])
    if group < 1:
        raise BadWeights(f"{file.name}: group_size is {group}, neither positive nor -1.")
    check_group(file, group)
    return Gptq(group, _FORMATS[form])
