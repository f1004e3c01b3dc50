"""Which layers of a model keep to its sliding window, by config.json."""

from collections.abc import Callable
from dataclasses import replace

from fireside.errors import BadWeights, UnsupportedWeights
from fireside.weights.checkpoint import ModelConfig
from fireside.weights.hf_values import HfValues

_FULL, _SLIDING = "full_attention", "sliding_attention"


def global_layers(values: HfValues, layers: int, is_global: Callable[[int], bool]) -> frozenset[int]:
    """The layers that look back on all tokens: by `layer_types`, or, where the file lacks it, by the rule `is_global`.

    Raises BadWeights for a list of another length, and UnsupportedWeights for a third type.
    """
    types = values.get("layer_types")
    if types is None:
        return frozenset(filter(is_global, range(layers)))
    name = values.file.name
    if not isinstance(types, list) or len(types) != layers:
        raise BadWeights(f"{name}: layer_types is not a list of {layers} types, one for each layer.")
    if other := next((kind for kind in types if kind not in (_FULL, _SLIDING)), None):
        raise UnsupportedWeights(f"{name}: layer_types has {repr(other)[:100]}; Fireside runs {_FULL} and {_SLIDING}.")
    return frozenset(layer for layer, kind in enumerate(types) if kind == _FULL)


def with_qwen_window(values: HfValues, config: ModelConfig) -> ModelConfig:
    """With Qwen's window, which few files switch on, and without it in the first layers; see `Architecture.from_hf`."""
    if not values.boolean("use_sliding_window") or values.get("sliding_window") is None:
        return config
    first = values.whole_number("max_window_layers")
    return replace(
        config,
        sliding_window=values.whole_number("sliding_window"),
        global_layers=global_layers(values, config.layers, lambda layer: layer < first),
    )
