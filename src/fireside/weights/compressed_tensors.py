"""The 4-bit forms of compressed-tensors, as llm-compressor writes them: "weight_packed" with "weight_scale",
"weight_shape" and, by scheme, "weight_zero_point" and "weight_g_idx".

Codes are packed along the inputs, zero points along the outputs, eight to an int32; before release 0.9.4 zero points
were signed bytes. Which linears are quantised is seen by their tensors, so the lists of targets and of what to ignore
need no reading. Source: the project's `compressors/pack_quantized` and `quantization/quant_config.py`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fireside.errors import BadWeights, UnsupportedWeights
from fireside.weights.grouped import Arrays, GroupedLinear, check_group, read_order, unpack_words
from fireside.weights.quantised import REMEDY, TensorSet, finite
from fireside.weights.safetensors_file import StoredTensor

_FORMAT, _MIXED = "pack-quantized", "mixed-precision"
_OF_THE_CACHE = (
    ".k_scale", ".v_scale", ".k_zero_point", ".v_zero_point", ".k_proj.output_scale", ".v_proj.output_scale",
    ".k_proj.output_zero_point", ".v_proj.output_zero_point",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Scheme:
    """How a config group holds its weights.

    Args:
        group: inputs that share a scale; None when all of a row do.
        symmetric: without zero points.
    """

    group: int | None
    symmetric: bool


@dataclass(frozen=True, slots=True)
class CompressedTensors:
    """See `Quantisation`."""

    schemes: tuple[_Scheme, ...]

    def open_linear(self, tensors: TensorSet, name: str, shape: tuple[int, int]) -> GroupedLinear | None:
        """See `Quantisation`. Raises BadWeights, UnsupportedWeights."""
        if f"{name}.weight_packed" not in tensors:
            return None
        outputs, inputs = shape
        packed = tensors.checked(f"{name}.weight_packed", (outputs, -(-inputs // 8)), "I32")
        told = tensors.checked(f"{name}.weight_shape", (2,), "I64", "I32")
        if told.map().tolist() != [outputs, inputs]:
            raise BadWeights(
                f"{told.path.name}: tensor {told.name} says {told.map().tolist()}, not {[outputs, inputs]}."
            )
        zeros_name, order_name = f"{name}.weight_zero_point", f"{name}.weight_g_idx"
        group = self._group(tensors.find(f"{name}.weight_scale"), inputs, symmetric=zeros_name not in tensors)
        check_group(packed.path, group)
        scales = tensors.floats(f"{name}.weight_scale", (outputs, inputs // group))
        zeros = _find_zeros(tensors, zeros_name, outputs, inputs // group) if zeros_name in tensors else None
        order = tensors.checked(order_name, (inputs,), "I32") if order_name in tensors else None

        def arrays() -> Arrays:
            codes = unpack_words(cast(NDArray[np.int32], packed.map()))[:, :inputs]
            return codes, finite(scales), None if zeros is None else _read_zeros(zeros, outputs)

        return GroupedLinear(
            tensors=frozenset(part.name for part in (packed, told, scales, zeros, order) if part is not None),
            group=group,
            order=None if order is None else read_order(order, group),
            arrays=arrays,
        )

    def is_spare(self, tensor: str) -> bool:
        """Scales of a quantised KV cache are: Fireside keeps keys and values in float32."""
        return tensor.endswith(_OF_THE_CACHE)

    def _group(self, scales: StoredTensor, inputs: int, symmetric: bool) -> int:
        """The inputs that share one of the linear's scales."""
        for scheme in self.schemes:
            group = scheme.group or inputs
            # A symmetric linear may have zero points anyway: old files keep the zeros.
            if (scheme.symmetric or not symmetric) and group * scales.shape[-1] == inputs:
                return group
        raise BadWeights(
            f"{scales.path.name}: tensor {scales.name} of shape {list(scales.shape)}, for {inputs} inputs and "
            f"{'without' if symmetric else 'with'} zero points, fits no config group of config.json."
        )


def read_compressed_tensors(file: Path, quantisation: dict[str, Any]) -> CompressedTensors:
    """By what the config `file` says. Raises BadWeights, UnsupportedWeights."""
    sparsity = _object(file, quantisation, "sparsity_config")
    if sparsity.get("format", "dense") != "dense":
        raise _unsupported(file, f"sparse weights ({_short(sparsity['format'])})")
    if _object(file, quantisation, "transform_config"):
        raise _unsupported(file, "weights that were rotated (transform_config)")
    form = quantisation.get("format")
    groups = _object(file, quantisation, "config_groups")
    if not groups:
        raise BadWeights(f"{file.name}: config_groups is empty.")
    schemes = []
    for name, group in groups.items():
        if not isinstance(group, dict):
            raise BadWeights(f"{file.name}: config_groups.{name} is not an object.")
        own = group.get("format") or form
        if own != _FORMAT:
            raise _unsupported(file, f"the format {_short(own)} in config_groups.{name} ({_described(group)})")
        schemes.append(_read_scheme(file, name, group))
    if form not in (_FORMAT, _MIXED):
        raise _unsupported(file, f"the format {_short(form)}")
    return CompressedTensors(tuple(dict.fromkeys(schemes)))


def _read_scheme(file: Path, name: str, group: dict[str, Any]) -> _Scheme:
    weights = group.get("weights")
    size = weights.get("group_size") if isinstance(weights, dict) else None
    if not isinstance(weights, dict) or not (size is None or (isinstance(size, int) and not isinstance(size, bool))):
        raise BadWeights(f"{file.name}: config_groups.{name}.weights makes no sense: {str(weights)[:200]}.")
    activations = any(group.get(f"{side}_activations") is not None for side in ("input", "output"))
    bits, kind = weights.get("num_bits"), str(weights.get("type", "int")).lower()
    if activations or (bits, kind) != (4, "int") or weights.get("dynamic"):
        raise _unsupported(file, f"{_described(group)} in config_groups.{name}")
    strategy = weights.get("strategy") or ("tensor" if size is None else "channel" if size == -1 else "group")
    if strategy not in ("group", "channel"):
        raise _unsupported(file, f"a scale by {_short(strategy)} in config_groups.{name}")
    if strategy == "group":
        if size is None or size < 1:
            raise BadWeights(f"{file.name}: config_groups.{name} has groups of {size}.")
        check_group(file, size)
    return _Scheme(size if strategy == "group" else None, weights.get("symmetric", True) is True)


def _described(group: dict[str, Any]) -> str:
    """What a config group quantises, in words: "8-bit int weights, 8-bit int activations"."""
    parts = []
    for key, what in (("weights", "weights"), ("input_activations", "activations"), ("output_activations", "outputs")):
        values = group.get(key)
        if isinstance(values, dict):
            parts.append(f"{str(values.get('num_bits'))[:10]}-bit {str(values.get('type', 'int'))[:10]} {what}")
    return ", ".join(parts) or "nothing"


def _find_zeros(tensors: TensorSet, name: str, outputs: int, groups: int) -> StoredTensor:
    packed = tensors.find(name).dtype == "I32"
    return tensors.checked(name, (-(-outputs // 8) if packed else outputs, groups), "I32", "I8")


def _read_zeros(tensor: StoredTensor, outputs: int) -> NDArray[np.uint8]:
    """Zero points [out, groups], from 0 to 15."""
    values = tensor.map()
    if tensor.dtype == "I32":
        return unpack_words(cast(NDArray[np.int32], values).T).T[:outputs]
    shifted = values.astype(np.int16) + 8
    if shifted.size and not 0 <= shifted.min() <= shifted.max() <= 15:
        raise BadWeights(f"{tensor.path.name}: tensor {tensor.name} has zero points that are not of 4 bits.")
    return shifted.astype(np.uint8)


def _object(file: Path, values: dict[str, Any], key: str) -> dict[str, Any]:
    value = values.get(key) or {}
    if not isinstance(value, dict):
        raise BadWeights(f"{file.name}: {key} is not an object.")
    return value


def _short(value: object) -> str:
    return repr(value)[:60]


def _unsupported(file: Path, what: str) -> UnsupportedWeights:
    return UnsupportedWeights(f"{file.name}: compressed-tensors with {what}, which Fireside does not run. {REMEDY}")
