"""Whole layers of the base that stand in an adapter's file beside the LoRA.

PEFT saves the embedding and the head when the vocabulary was resized, when `target_modules` or `save_embedding_layers`
ask for it, and whatever `modules_to_save` and `trainable_token_indices` name. Often nobody trained them. Those that are
the base's own values are no change and are passed over; all others are refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fireside.errors import BadAdapter, BadWeights
from fireside.weights.architectures import ARCHITECTURES
from fireside.weights.block import KEY_NORM, LINEARS, QUERY_NORM
from fireside.weights.checkpoint import Checkpoint
from fireside.weights.mapping import narrow_to_bfloat16
from fireside.weights.safetensors_file import StoredTensor
from fireside.weights.shapes import tensor_shapes

_PREFIX = r"(?:base_model\.model\.)?(?:(?:model|language_model)\.){0,2}"
_PARTS = {*LINEARS, QUERY_NORM, KEY_NORM, *(norm for known in ARCHITECTURES for norm in known.block.norms)}
_LAYER = rf"layers\.(?:0|[1-9][0-9]{{0,4}})\.(?:{'|'.join(map(re.escape, sorted(_PARTS)))})"
# PEFT wraps what it trains whole, and keeps the base's own under a LoRA as "base_layer".
_WHOLE = re.compile(
    rf"{_PREFIX}(embed_tokens|norm|lm_head|{_LAYER})"
    r"(?:\.token_adapter)?(?:\.base_layer|\.original_module|\.modules_to_save(?:\.[A-Za-z0-9_-]+)?)?\.weight"
)
_TOKENS = re.compile(
    rf"{_PREFIX}(embed_tokens|lm_head)\.token_adapter\.trainable_tokens_delta"
    r"(?:\.[A-Za-z0-9_-]+)?"
)
_VOCABULARY = ("embed_tokens", "lm_head")
_REMEDY = (
    "Fireside applies LoRA only: train without modules_to_save, trainable_token_indices and the vocabulary's layers in "
    "target_modules. If that layer was not trained, save again without it (PEFT: save_pretrained with "
    "save_embedding_layers=False)."
)


@dataclass(frozen=True, slots=True)
class Copy:
    """A tensor of the adapter's file that has to be the base's own.

    Args:
        name: the base's tensor, by Fireside's name.
        rows: which rows of it these are; None for all.
    """

    tensor: StoredTensor
    name: str
    rows: tuple[int, ...] | None


def find_copy(tensor: StoredTensor, token_rows: Mapping[str, tuple[int, ...]]) -> Copy | None:
    """What the tensor is a copy of, by its name; None for any other tensor.

    Args:
        token_rows: ids of `trainable_token_indices`, by the layer that they are rows of.
    """
    if whole := _WHOLE.fullmatch(tensor.name):
        return Copy(tensor, whole[1], None)
    if tokens := _TOKENS.fullmatch(tensor.name):
        # A head that is tied to the embedding has the same rows.
        return Copy(tensor, tokens[1], token_rows.get(tokens[1], token_rows.get("embed_tokens", ())))
    return None


def check_copies(copies: tuple[Copy, ...], base: Checkpoint | None) -> None:
    """Raises BadAdapter unless each is what the base has, rounded to the copy's own dtype.

    Args:
        base: None when it is not on this machine, so that nothing can be compared.
    """
    for copy in copies:
        if reason := _difference(copy, base):
            raise BadAdapter(f"{copy.tensor.path.name}: tensor {copy.tensor.name} {reason}")


def _difference(copy: Copy, base: Checkpoint | None) -> str | None:
    """Why the copy cannot be taken; None when it can."""
    found = copy.tensor.shape
    if base is None:
        return (
            "is a whole layer beside the LoRA, and cannot be compared with the base model's own, which is not on this "
            f"server yet. Fetch the model first, or save the adapter without it. {_REMEDY}"
        )
    shape = dict(tensor_shapes(base.config)).get(copy.name)
    if copy.name == "lm_head" and shape is None:  # tied to the embedding
        shape = (base.config.vocab_size, base.config.hidden_size)
    if shape is None:
        return f"is for a layer that the base model does not have. {_REMEDY}"
    if copy.rows is not None:
        if len(found) != 2 or found != (len(copy.rows), shape[1]) or max(copy.rows, default=0) >= shape[0]:
            return "does not fit trainable_token_indices and the base model: the adapter was trained on another base."
    elif copy.name in _VOCABULARY and len(found) == 2 and found[0] != shape[0] and found[1] == shape[1]:
        return (
            f"has {found[0]} rows, and the base model's vocabulary has {shape[0]}: it was resized before the training, "
            "which is why PEFT saved the layer. Tokens that were added do not exist here. Train with the base's own "
            "tokenizer; or, where answers need none of the new tokens, save again without the layer (PEFT: "
            "save_pretrained with save_embedding_layers=False)."
        )
    elif found != shape:
        return f"has shape {list(found)}, and the base model's has {list(shape)}: it was trained on another base."
    if not _is_equal(copy, base):
        return f"is a whole layer beside the LoRA, with other values than the base model's: it was trained. {_REMEDY}"
    return None


def _is_equal(copy: Copy, base: Checkpoint) -> bool:
    try:
        values = base.dense(copy.name)
    except BadWeights:  # quantised in the base, so that it was trained on another one
        return False
    if copy.rows is not None:
        values = values[list(copy.rows)]
    return all(np.array_equal(_rounded(values[rows], copy.tensor.dtype), found) for rows, found in copy.tensor.pieces())


def _rounded(values: NDArray[np.float32], dtype: str) -> NDArray[np.float32]:
    if dtype == "BF16":
        return narrow_to_bfloat16(values)
    with np.errstate(over="ignore"):
        return values.astype(np.float16).astype(np.float32) if dtype == "F16" else values
