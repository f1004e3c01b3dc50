"""A LoRA adapter's two files: which linears it changes, by what rank and scale, and its tensors.

`read_adapter` checks what the adapter alone can tell; `check_fits` compares it with its base model.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fireside.errors import BadAdapter, BadWeights
from fireside.weights.adapter_config import CONFIG_FILE, TARGETS, AdapterConfig, read_adapter_config
from fireside.weights.checkpoint import ModelConfig
from fireside.weights.safetensors_file import StoredTensor, read_safetensors
from fireside.weights.shapes import linear_shapes

WEIGHTS_FILE = "adapter_model.safetensors"

_MAX_HEADER_BYTES = 1 << 20
_DTYPES = ("F32", "F16", "BF16")
# PEFT saves "base_model.model.model.layers…"; other tools drop the wrapper's prefix, or keep the adapter's name.
_KEY = re.compile(
    r"(?:base_model\.model\.)?(?:model\.)?layers\.(0|[1-9][0-9]{0,4})\.(self_attn|mlp)\.([a-z]+_proj)"
    r"\.lora_([AB])(?:\.[A-Za-z0-9_-]+)?\.weight"
)
_BLOCKS = {target: "self_attn" if target in TARGETS[:4] else "mlp" for target in TARGETS}


@dataclass(frozen=True, slots=True)
class AdapterModule:
    """One linear of one layer that the adapter changes: y = W x + scale * B (A x).

    Args:
        layer: from 0.
        module: name of the linear within its layer's block, such as "q_proj".
        a_key: name of the tensor A, [rank, in].
        b_key: name of the tensor B, [out, rank].
    """

    layer: int
    module: str
    rank: int
    scale: float
    a_key: str
    b_key: str


@dataclass(frozen=True, slots=True)
class AdapterFiles:
    """A checked adapter: sound headers, every module with both halves, ranks as its config says.

    Args:
        modules: by layer, then in the order of `TARGETS`.
    """

    config: AdapterConfig
    modules: tuple[AdapterModule, ...]
    tensors: Mapping[str, StoredTensor]

    @property
    def max_rank(self) -> int:
        """Largest rank of any module."""
        return max(module.rank for module in self.modules)

    def tensor(self, key: str) -> NDArray[np.float32]:
        """The tensor as float32: a mapped view when stored so, else a new array. Raises BadAdapter."""
        return float32_tensor(self.tensors[key])


def read_adapter(folder: Path) -> AdapterFiles:
    """Read both files' descriptions; of the tensors, only the header.

    Raises BadAdapter when a file is missing, unsound or of a kind that Fireside does not run. Ranks have no upper
    bound here, and tensors may hold anything, NaN too: who lets an adapter in checks these.
    """
    config = read_adapter_config(folder / CONFIG_FILE)
    tensors = read_adapter_tensors(folder / WEIGHTS_FILE)
    modules = tuple(_modules(config, tensors))
    _check_targets(config, modules)
    return AdapterFiles(config, modules, tensors)


def read_adapter_tensors(path: Path) -> Mapping[str, StoredTensor]:
    """The tensors of adapter_model.safetensors: known names, float dtypes, two dimensions. Raises BadAdapter."""
    try:
        tensors = read_safetensors(path, _MAX_HEADER_BYTES).tensors
    except BadWeights as error:
        raise _unplaced(error, path) from error
    if not tensors:
        raise _fail("holds no tensors.")
    for name, tensor in tensors.items():
        match = _KEY.fullmatch(name)
        if match is None or _BLOCKS.get(match[3]) != match[2]:
            raise _fail(
                f"tensor {name[:200]!r} is none of a LoRA on {', '.join(TARGETS)}, such as "
                "'base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight'."
            )
        if tensor.dtype not in _DTYPES:
            raise _fail(f"tensor {name} has dtype {tensor.dtype}, not one of {', '.join(_DTYPES)}.")
        if len(tensor.shape) != 2 or not all(tensor.shape):
            raise _fail(f"tensor {name} has shape {list(tensor.shape)}; two dimensions of 1 or more are needed.")
    return tensors


def float32_tensor(stored: StoredTensor) -> NDArray[np.float32]:
    """See `AdapterFiles.tensor`."""
    try:
        return stored.float32()
    except BadWeights as error:
        raise _unplaced(error, stored.path) from error


def check_fits(adapter: AdapterFiles, base: ModelConfig) -> None:
    """Raises BadAdapter unless every module of the adapter has its linear in the base model, of fitting shape."""
    shapes = {name.rpartition(".")[2]: shape for name, shape in linear_shapes(base).items()}
    for module in adapter.modules:
        if module.layer >= base.layers:
            raise _fail(f"tensor {module.a_key} is for layer {module.layer}; the model has {base.layers} layers.")
        outputs, inputs = shapes[module.module]
        for key, wanted in ((module.a_key, (module.rank, inputs)), (module.b_key, (outputs, module.rank))):
            found = adapter.tensors[key].shape
            if found != wanted:
                raise _fail(
                    f"tensor {key} has shape {list(found)}, and on this model it needs {list(wanted)}: the adapter was "
                    "trained on another base."
                )


def _modules(config: AdapterConfig, tensors: Mapping[str, StoredTensor]) -> Iterator[AdapterModule]:
    halves: dict[tuple[int, str], dict[str, str]] = {}
    for name in tensors:
        match = _KEY.fullmatch(name)
        assert match is not None  # read_adapter_tensors lets no other names pass
        pair = halves.setdefault((int(match[1]), match[3]), {})
        if match[4] in pair:
            raise _fail(f"tensors {pair[match[4]]} and {name} are for the same half of the same module.")
        pair[match[4]] = name
    for (layer, module), pair in sorted(halves.items(), key=lambda item: (item[0][0], TARGETS.index(item[0][1]))):
        if len(pair) != 2:
            [present] = pair.values()
            raise _fail(f"tensor {present} is there, but not its other half lora_{'B' if 'A' in pair else 'A'}.")
        name = f"model.layers.{layer}.{_BLOCKS[module]}.{module}"
        rank = config.rank_of(name)
        for half, axis in (("A", 0), ("B", 1)):
            shape = tensors[pair[half]].shape
            if shape[axis] != rank:
                raise _fail(
                    f"tensor {pair[half]} has shape {list(shape)}, so rank {shape[axis]}; {CONFIG_FILE} says {rank}."
                )
        yield AdapterModule(layer, module, rank, config.scale_of(name), pair["A"], pair["B"])


def _check_targets(config: AdapterConfig, modules: tuple[AdapterModule, ...]) -> None:
    found = {module.module for module in modules}
    if config.targets is None or config.targets == found:
        return
    if extra := sorted(found - config.targets):
        raise _fail(f"has tensors for {extra[0]}, which target_modules in {CONFIG_FILE} does not name.")
    missing = sorted(config.targets - found)
    raise _fail(f"has no tensors for {missing[0]}, which target_modules in {CONFIG_FILE} names.")


def _fail(reason: str) -> BadAdapter:
    return BadAdapter(f"{WEIGHTS_FILE}: {reason}")


def _unplaced(error: BadWeights, path: Path) -> BadAdapter:
    """The same by the name that its owner knows: an upload lies in a temporary file."""
    return BadAdapter(str(error).replace(path.name, WEIGHTS_FILE))
