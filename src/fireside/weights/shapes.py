"""What a checkpoint has to contain, by its config: Fireside's tensor names and their shapes, and sane sizes."""

from collections.abc import Iterator

from fireside.errors import BadWeights
from fireside.weights.block import KEY_NORM, LINEARS, QUERY_NORM
from fireside.weights.checkpoint import ModelConfig

# Far above any model of this kind; what they stop is a config that asks for absurd amounts of memory or work.
_LIMITS = {
    "vocab_size": 1 << 22,
    "hidden_size": 1 << 17,
    "intermediate_size": 1 << 19,
    "layers": 1 << 10,
    "heads": 1 << 11,
    "kv_heads": 1 << 11,
    "head_dim": 1 << 11,
    "context_length": 1 << 27,
}


def check_config(config: ModelConfig, where: str, keys: dict[str, str]) -> None:
    """Raise BadWeights when sizes are out of bounds or do not fit together.

    Args:
        where: the file, for the message.
        keys: what the file calls each field of `ModelConfig`.
    """

    def fail(field: str, why: str) -> None:
        raise BadWeights(f"{where}: {keys.get(field, field)} is {getattr(config, field)}, {why}.")

    for field, limit in _LIMITS.items():
        if not 1 <= getattr(config, field) <= limit:
            fail(field, f"not between 1 and {limit}")
    if config.heads % config.kv_heads:
        fail("heads", f"not a multiple of {keys.get('kv_heads', 'kv_heads')} {config.kv_heads}")
    if config.head_dim % 2:
        fail("head_dim", "odd, but the rotary embedding needs pairs")
    if not 0 < config.rope_theta < float("inf"):
        fail("rope_theta", "not a positive number")
    if not 0 < config.norm_eps < 1:
        fail("norm_eps", "not between 0 and 1")
    if config.sliding_window is not None and config.sliding_window < 1:
        fail("sliding_window", "not positive")
    if config.local_rope_theta is not None and not 0 < config.local_rope_theta < float("inf"):
        fail("local_rope_theta", "not a positive number")
    if config.attention_scale is not None and not 0 < config.attention_scale < float("inf"):
        fail("attention_scale", "not a positive number")


def linear_shapes(config: ModelConfig) -> dict[str, tuple[int, int]]:
    """[out, in] of each linear of a layer, by its name within the layer, in the order a layer runs them."""
    hidden, inner = config.hidden_size, config.intermediate_size
    queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
    shapes = [
        (queries, hidden),
        (keys, hidden),
        (keys, hidden),
        (hidden, queries),
        *[(inner, hidden)] * 2,
        (hidden, inner),
    ]
    return dict(zip(LINEARS, shapes, strict=True))


def norm_shapes(config: ModelConfig) -> Iterator[tuple[str, tuple[int]]]:
    """Every RMSNorm gain: name and shape, layer by layer, the last one before the head."""
    for layer in range(config.layers):
        yield from _layer_norms(config, layer)
    yield "norm", (config.hidden_size,)


def tensor_shapes(config: ModelConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every tensor of the model but `lm_head` where it is tied to the embedding: name and shape."""
    yield "embed_tokens", (config.vocab_size, config.hidden_size)
    for layer in range(config.layers):
        yield from _layer_norms(config, layer)
        for name, shape in linear_shapes(config).items():
            yield f"layers.{layer}.{name}", shape
            if name in config.block.biases:
                yield f"layers.{layer}.{name}.bias", shape[:1]
    yield "norm", (config.hidden_size,)
    if not config.tie_embeddings:
        yield "lm_head", (config.vocab_size, config.hidden_size)


def _layer_norms(config: ModelConfig, layer: int) -> Iterator[tuple[str, tuple[int]]]:
    for name in config.block.norms:
        yield f"layers.{layer}.{name}", (config.hidden_size,)
    if config.block.qk_norms:
        for name in (QUERY_NORM, KEY_NORM):
            yield f"layers.{layer}.{name}", (config.head_dim,)
