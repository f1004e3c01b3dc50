"""A model's shape from the metadata of its GGUF file."""

from collections.abc import Mapping
from dataclasses import replace

from fireside.errors import BadWeights, UnsupportedWeights
from fireside.weights.architectures import GGUF_NAMES, of_gguf, supported
from fireside.weights.architectures.architecture import Architecture
from fireside.weights.checkpoint import ModelConfig
from fireside.weights.gguf import GgufFile
from fireside.weights.gguf_values import GgufValues, single
from fireside.weights.rope import FrequencyFactors, LinearScaling, RopeScaling
from fireside.weights.shapes import check_config

ROPE_FREQS = "rope_freqs.weight"

_KEYS = {
    "vocab_size": "vocab_size",
    "hidden_size": "embedding_length",
    "intermediate_size": "feed_forward_length",
    "layers": "block_count",
    "heads": "attention.head_count",
    "kv_heads": "attention.head_count_kv",
    "head_dim": "attention.key_length",
    "context_length": "context_length",
    "rope_theta": "rope.freq_base",
    "norm_eps": "attention.layer_norm_rms_epsilon",
    "sliding_window": "attention.sliding_window",
}


def read_gguf_config(file: GgufFile, places: Mapping[str, GgufFile]) -> tuple[Architecture, ModelConfig]:
    """The architecture that the file names, and the model's shape.

    Args:
        file: the first part, which has the metadata.
        places: the file of each tensor.

    Raises BadWeights and UnsupportedWeights, both with the file and the key.
    """
    architecture = _architecture(file)
    values = GgufValues(file, architecture.gguf, places)
    if values.single("expert_count", 0) != 0:
        raise UnsupportedWeights(f"{file.path.name}: a mixture of experts, which Fireside does not run.")
    hidden, heads = values.whole_number(_KEYS["hidden_size"]), values.whole_number(_KEYS["heads"])
    if heads < 1:
        raise BadWeights(f"{file.path.name}: {values.key(_KEYS['heads'])} is {heads}, not positive.")
    head_dim = values.whole_number(_KEYS["head_dim"], hidden // heads)
    rotated = values.single("rope.dimension_count", head_dim)
    value_length = values.single("attention.value_length", head_dim)
    if rotated != head_dim or value_length != head_dim:
        raise UnsupportedWeights(
            f"{file.path.name}: heads of {head_dim} with {rotated} rotary dimensions and values of {value_length}; "
            "Fireside runs heads that are rotated whole."
        )
    embedding = places["token_embd.weight"].tensors["token_embd.weight"] if "token_embd.weight" in places else None
    config = ModelConfig(
        vocab_size=values.whole_number(_KEYS["vocab_size"], embedding.shape[0] if embedding else None),
        hidden_size=hidden,
        intermediate_size=values.whole_number(_KEYS["intermediate_size"]),
        layers=values.whole_number(_KEYS["layers"]),
        heads=heads,
        kv_heads=values.whole_number(_KEYS["kv_heads"], heads),
        head_dim=head_dim,
        context_length=values.whole_number(_KEYS["context_length"]),
        rope_theta=values.number(_KEYS["rope_theta"], 10000.0),
        norm_eps=values.number(_KEYS["norm_eps"]),
        tie_embeddings="output.weight" not in places,
        # llama.cpp's converter has added the offset already.
        block=replace(architecture.block, norm_offset=0.0),
    )
    keys = {field: values.key(name) for field, name in _KEYS.items()}
    check_config(config, file.path.name, keys)
    config = architecture.from_gguf(values, replace(config, rope_scaling=_rope_scaling(values, head_dim)))
    check_config(config, file.path.name, keys)
    return architecture, config


def _architecture(file: GgufFile) -> Architecture:
    name = single(file, "general.architecture", None)
    architecture = of_gguf(name) if isinstance(name, str) else None
    if architecture is None:
        raise UnsupportedWeights(
            f"{file.path.name}: the architecture is {repr(name)[:100]}; of GGUF files {supported(GGUF_NAMES)}"
        )
    return architecture


def _rope_scaling(values: GgufValues, head_dim: int) -> RopeScaling | None:
    name, kind = values.file.path.name, values.single("rope.scaling.type", "none")
    if kind not in ("none", "linear"):
        raise UnsupportedWeights(
            f"{name}: {values.key('rope.scaling.type')} is {repr(kind)[:100]}; Fireside runs rotary scaling of the "
            f"type 'linear' or by the tensor {ROPE_FREQS}."
        )
    if ROPE_FREQS in values.places:
        tensor = values.places[ROPE_FREQS].tensors[ROPE_FREQS]
        if tensor.shape != (head_dim // 2,):
            raise BadWeights(f"{name}: tensor {ROPE_FREQS} has shape {list(tensor.shape)}, not [{head_dim // 2}].")
        factors = values.places[ROPE_FREQS].read(ROPE_FREQS).tolist()
        if not all(0 < factor < float("inf") for factor in factors):
            raise BadWeights(f"{name}: tensor {ROPE_FREQS} has factors that are not positive numbers.")
        return FrequencyFactors(tuple(factors))
    if kind == "none":
        return None
    factor = values.number("rope.scaling.factor")
    if not 0 < factor < float("inf"):
        raise BadWeights(f"{name}: {values.key('rope.scaling.factor')} is {factor}, not a positive number.")
    return LinearScaling(factor)
