"""The rotary embedding as config.json describes it, in the spellings of transformers 4 and 5."""

import math

from fireside.errors import BadWeights, UnsupportedWeights
from fireside.weights.hf_values import HfValues
from fireside.weights.rope import LinearScaling, Llama3Scaling, RopeScaling

_DEFAULT_THETA = 10000.0


def read_rope(values: HfValues) -> tuple[float, RopeScaling | None]:
    """Base and scaling of the rotary frequencies.

    Raises BadWeights for what makes no sense, and UnsupportedWeights for a kind of scaling that is not run.
    """
    theta, scaling = values.number("rope_theta", _DEFAULT_THETA), None
    for key in ("rope_parameters", "rope_scaling"):
        table = values.table(key)
        if table is None:
            continue
        # Models with local and global attention have one table for each kind of layer.
        table = table.table("full_attention") or table
        theta = table.number("rope_theta", theta)
        scaling = _scaling(key, table) or scaling
    return theta, scaling


def _scaling(key: str, table: HfValues) -> RopeScaling | None:
    kind = table.get("rope_type") or table.get("type") or "default"
    if table.get("partial_rotary_factor") not in (None, 1.0) or kind not in ("default", "linear", "llama3"):
        raise UnsupportedWeights(
            f"{table.file.name}: {key} is {repr(table.entries)[:200]}; Fireside rotates whole heads, without scaling "
            "or with that of the types linear and llama3."
        )
    if kind == "default":
        return None
    factor = _positive(key, table, "factor")
    if kind == "linear":
        return LinearScaling(factor)
    low, high = _positive(key, table, "low_freq_factor"), _positive(key, table, "high_freq_factor")
    if low >= high:
        raise BadWeights(f"{table.file.name}: {key} has low_freq_factor {low}, not below high_freq_factor {high}.")
    context = table.whole_number("original_max_position_embeddings")
    if not 1 <= context <= 1 << 27:
        raise BadWeights(f"{table.file.name}: {key} has original_max_position_embeddings {context}, out of bounds.")
    return Llama3Scaling(factor, low, high, context)


def _positive(key: str, table: HfValues, name: str) -> float:
    value = table.number(name)
    if not 0 < value < math.inf:
        raise BadWeights(f"{table.file.name}: {key} has {name} {value}, not a positive number.")
    return value
