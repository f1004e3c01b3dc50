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
from fireside.weights.adapter_copies import Copy, find_copy
from fireside.weights.block import LINEARS
from fireside.weights.checkpoint import ModelConfig
from fireside.weights.safetensors_file import StoredTensor, read_safetensors
from fireside.weights.shapes import linear_shapes

WEIGHTS_FILE = "adapter_model.safetensors"

_MAX_HEADER_BYTES = 1 << 20
_DTYPES = ("F32", "F16", "BF16")
# PEFT saves "base_model.model.model.layers…"; other tools drop the wrapper's prefix, or keep the adapter's name.
_KEY = re.compile(
    r"(?:base_model\.model\.)?(?P<name>(?:(?:model|language_model)\.){0,2}layers\.(?P<layer>0|[1-9][0-9]{0,4})"
    r"\.(?P<block>self_attn|mlp)\.(?P<module>[a-z]+_proj))\.lora_(?P<half>[AB])(?:\.[A-Za-z0-9_-]+)?\.weight"
)
_VOCABULARY_HINT = (
    " LoRA on the vocabulary's own layers is not supported: train with target_modules that leave out embed_tokens and "
    "lm_head."
)
_BLOCKS = {target: linear.partition(".")[0] for linear, target in zip(LINEARS, TARGETS, strict=True)}


@dataclass(frozen=True, slots=True)
class AdapterModule:
    """One linear of one layer that the adapter changes: y = W x + scale * B (A x).

    Args:
        layer: from 0.
        name: of the linear within the model that was trained, such as "model.layers.0.self_attn.q_proj".
        module: name of the linear within its layer's block, such as "q_proj".
        a_key: name of the tensor A, [rank, in].
        b_key: name of the tensor B, [out, rank].
    """

    layer: int
    module: str
    name: str
    rank: int
    scale: float
    a_key: str
    b_key: str


@dataclass(frozen=True, slots=True)
class AdapterFiles:
    """A checked adapter: sound headers, every module with both halves, ranks as its config says.

    Args:
        modules: by layer, then in the order of `TARGETS`.
        copies: whole layers beside the LoRA, which have to be the base's own: `check_copies` sees to it.
    """

    config: AdapterConfig
    modules: tuple[AdapterModule, ...]
    copies: tuple[Copy, ...]
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
    found = {name: find_copy(tensor, config.token_rows) for name, tensor in tensors.items()}
    modules = tuple(_modules(config, {name: tensors[name] for name, copy in found.items() if copy is None}))
    if not modules:
        raise _fail("holds no LoRA.")
    _check_rule(config, modules)
    return AdapterFiles(config, modules, tuple(filter(None, found.values())), tensors)


def read_adapter_tensors(path: Path) -> Mapping[str, StoredTensor]:
    """The tensors of adapter_model.safetensors: known names, float dtypes, sound shapes. Raises BadAdapter."""
    try:
        tensors = read_safetensors(path, _MAX_HEADER_BYTES).tensors
    except BadWeights as error:
        raise _unplaced(error, path) from error
    if not tensors:
        raise _fail("holds no tensors.")
    for name, tensor in tensors.items():
        match = _KEY.fullmatch(name)
        is_copy = find_copy(tensor, {}) is not None
        if not is_copy and (match is None or _BLOCKS.get(match["module"]) != match["block"]):
            hint = _VOCABULARY_HINT if re.search(r"(embed_tokens|lm_head)\.lora_", name) else ""
            raise _fail(
                f"tensor {name[:200]!r} is not a LoRA tensor of {', '.join(TARGETS)}, such as "
                f"'base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight'.{hint}"
            )
        if tensor.dtype not in _DTYPES:
            raise _fail(f"tensor {name} has dtype {tensor.dtype}, not one of {', '.join(_DTYPES)}.")
        if len(tensor.shape) not in ((1, 2) if is_copy else (2,)) or not all(tensor.shape):
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
    names: dict[tuple[int, str], str] = {}
    for name in tensors:
        match = _KEY.fullmatch(name)
        assert match is not None  # read_adapter_tensors lets no other names pass
        place = int(match["layer"]), match["module"]
        names[place] = match["name"]
        pair, half = halves.setdefault(place, {}), match["half"]
        if half in pair:
            raise _fail(f"tensors {pair[half]} and {name} are for the same half of the same module.")
        pair[half] = name
    for (layer, module), pair in sorted(halves.items(), key=lambda item: (item[0][0], TARGETS.index(item[0][1]))):
        if len(pair) != 2:
            [present] = pair.values()
            raise _fail(f"tensor {present} is there, but not its other half lora_{'B' if 'A' in pair else 'A'}.")
        name = names[layer, module]
        rank = config.rank_of(name)
        for half, axis in (("A", 0), ("B", 1)):
            shape = tensors[pair[half]].shape
            if shape[axis] != rank:
                raise _fail(
                    f"tensor {pair[half]} has shape {list(shape)}, so rank {shape[axis]}; {CONFIG_FILE} says {rank}."
                )
        yield AdapterModule(layer, module, name, rank, config.scale_of(name), pair["A"], pair["B"])


def _check_rule(config: AdapterConfig, modules: tuple[AdapterModule, ...]) -> None:
    """A module without tensors is left as it is, as PEFT does; tensors that PEFT would not apply are refused."""
    for module in modules:
        if not config.rule.matches(module.name, module.layer):
            raise _fail(
                f"tensor {module.a_key} is there, but {CONFIG_FILE} does not adapt {module.name} (by target_modules, "
                "exclude_modules and layers_to_transform): the files are of two adapters."
            )


def _fail(reason: str) -> BadAdapter:
    return BadAdapter(f"{WEIGHTS_FILE}: {reason}")


def _unplaced(error: BadWeights, path: Path) -> BadAdapter:
    """The same by the name that its owner knows: an upload lies in a temporary file."""
    return BadAdapter(str(error).replace(path.name, WEIGHTS_FILE))
