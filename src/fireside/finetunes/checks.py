"""Is an uploaded file what its name says, and something that Fireside runs?"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fireside.catalog.spec import ModelSpec
from fireside.errors import BadAdapter
from fireside.weights.adapter import (
    WEIGHTS_FILE,
    AdapterFiles,
    check_fits,
    read_adapter,
    read_adapter_tensors,
)
from fireside.weights.adapter_config import CONFIG_FILE, AdapterConfig, read_adapter_config
from fireside.weights.adapter_copies import check_copies
from fireside.weights.checkpoint import Checkpoint

FILE_NAMES = (CONFIG_FILE, WEIGHTS_FILE)
"""The only names there are: others are refused, and no path is ever made from what a client sent."""


@dataclass(frozen=True, slots=True)
class Base:
    """The model that the fine-tune is for.

    Args:
        checkpoint: its weights, when they are on this machine; None otherwise.
    """

    spec: ModelSpec
    checkpoint: Checkpoint | None


def check_file(name: str, path: Path, base: Base, max_rank: int) -> None:
    """Check one file by itself. Raises BadAdapter that names it and what is wrong."""
    if name == CONFIG_FILE:
        _check_config(read_adapter_config(path), base, max_rank)
    else:
        _check_kind(path)
        for tensor_name, tensor in read_adapter_tensors(path).items():
            if not all(np.isfinite(values).all() for _, values in tensor.pieces()):
                raise BadAdapter(f"{WEIGHTS_FILE}: tensor {tensor_name} has values that are infinite or not a number.")


def check_pair(folder: Path, base: Base, max_rank: int) -> AdapterFiles:
    """Check that two files, each sound, belong together and fit the base. Raises BadAdapter."""
    adapter = read_adapter(folder)
    _check_config(adapter.config, base, max_rank)
    if base.checkpoint is None:
        _check_consistent(adapter)
    else:
        check_fits(adapter, base.checkpoint.config)
    check_copies(adapter.copies, base.checkpoint)
    return adapter


def _check_config(config: AdapterConfig, base: Base, max_rank: int) -> None:
    ranks = {"r": config.rank} | {f"rank_pattern.{name}": rank for name, rank in config.ranks.values.items()}
    for key, rank in ranks.items():
        if rank > max_rank:
            raise BadAdapter(
                f"{CONFIG_FILE}: {key} is {rank}, and this server takes ranks up to {max_rank}. Its operator can raise "
                "FIRESIDE_FINETUNE_MAX_RANK."
            )
    wanted = base.spec.architecture.model_type
    if config.model_type is not None and wanted is not None and config.model_type != wanted:
        raise BadAdapter(
            f"{CONFIG_FILE}: model_type is {config.model_type[:100]!r}; {base.spec.id} is of the type {wanted!r}."
        )


def _check_consistent(adapter: AdapterFiles) -> None:
    """Without the base at hand: every layer's module of one name has the same sizes."""
    sizes: dict[str, tuple[int, int]] = {}
    for module in adapter.modules:
        found = (adapter.tensors[module.b_key].shape[0], adapter.tensors[module.a_key].shape[1])
        if sizes.setdefault(module.module, found) != found:
            raise BadAdapter(
                f"{WEIGHTS_FILE}: {module.module} of layer {module.layer} is {found[0]} by {found[1]}, unlike the "
                f"layers before it: {sizes[module.module][0]} by {sizes[module.module][1]}."
            )


_SIGNS = {
    b"{": f"this is text, perhaps JSON. Were {CONFIG_FILE} and {WEIGHTS_FILE} swapped?",
    b"PK": "this is a zip archive or PyTorch's .bin, which can run code when loaded. Save it as safetensors "
    "(PEFT: save_pretrained with safe_serialization=True).",
    b"\x80": "this is a Python pickle, which can run code when loaded. Save it as safetensors.",
    b"GGUF": "this is a GGUF file. Upload the adapter as PEFT saved it.",
    b"version https://git-lfs": "this is a pointer of Git LFS, not the file. Fetch it: git lfs pull.",
}


def _check_kind(path: Path) -> None:
    """Tell the common mistakes by name before the reader says that it understands nothing."""
    with path.open("rb") as file:
        start = file.read(32)
    for sign, reason in _SIGNS.items():
        # A sound file begins with a length, which may happen to look like one of these, and then opens its header.
        if start.startswith(sign) and start[8:9] != b"{":
            raise BadAdapter(f"{WEIGHTS_FILE}: {reason}")
