import json
from pathlib import Path

import pytest

from fireside.catalog.loader import Catalog
from fireside.catalog.spec import ArchitectureFacts, ModelSpec
from fireside.errors import BadWeights
from fireside.weights.facts import check_facts
from support.checkpoints import make_tiny_checkpoint
from support.gguf_files import write_gguf

OPENHERMES = "@hf/thebloke/openhermes-2.5-mistral-7b-awq"
MISTRAL = "@hf/mistral/mistral-7b-instruct-v0.2"

SIZES = {
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
}
MISTRAL_CONFIG = {
    **SIZES,
    "model_type": "mistral",
    "vocab_size": 32000,
    "max_position_embeddings": 32768,
    "rope_theta": 1000000.0,
    "sliding_window": None,
}
OPENHERMES_CONFIG = {
    **SIZES,
    "quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128},
    "model_type": "mistral",
    "vocab_size": 32002,
    "max_position_embeddings": 32768,
    "rope_theta": 10000.0,
    "sliding_window": 4096,
}


def folder_with(tmp_path: Path, config: object) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


@pytest.mark.parametrize(
    ("model", "config"),
    [
        (MISTRAL, MISTRAL_CONFIG),
        (OPENHERMES, OPENHERMES_CONFIG),
        (MISTRAL, {**MISTRAL_CONFIG, "rope_theta": 1000000}),
        (
            OPENHERMES,
            {**OPENHERMES_CONFIG, "quantization_config": {"config_groups": {"g": {"weights": {"group_size": 128}}}}},
        ),
        (OPENHERMES, {key: value for key, value in OPENHERMES_CONFIG.items() if key != "rope_theta"}),
        (
            MISTRAL,
            {
                **SIZES,
                "model_type": "mistral",
                "vocab_size": 32000,
                "max_position_embeddings": 32768,
                "rope_parameters": {"rope_theta": 1000000.0},
            },
        ),
    ],
)
def test_right_config_passes(tmp_path: Path, model: str, config: object) -> None:
    check_facts(Catalog.load().get(model), folder_with(tmp_path, config))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sliding_window": 4096}, "sliding_window is 4096, not 0"),
        ({"rope_theta": 10000.0}, "rope_theta is 10000.0, not 1000000.0"),
        ({"vocab_size": 32768}, "vocab_size is 32768, not 32000"),
    ],
)
def test_wrong_config_names_the_fact(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(BadWeights, match=message):
        check_facts(Catalog.load().get(MISTRAL), folder_with(tmp_path, {**MISTRAL_CONFIG, **change}))


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b" " * ((1 << 20) + 1)])
def test_broken_config(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(BadWeights, match=r"config\.json: "):
        check_facts(Catalog.load().get(MISTRAL), tmp_path)


def test_folder_without_config_passes(tmp_path: Path) -> None:
    check_facts(Catalog.load().get(MISTRAL), tmp_path)


def with_facts(**facts: object) -> ModelSpec:
    return Catalog.load().get(MISTRAL).model_copy(update={"architecture": ArchitectureFacts.model_validate(facts)})


TINY = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}


@pytest.mark.parametrize("by", ["file", "folder"])
def test_a_gguf_file_is_compared_by_what_it_says_of_itself(by: str, tmp_path: Path) -> None:
    gguf = tmp_path / "model.gguf"
    write_gguf(gguf, make_tiny_checkpoint(tmp_path / "dense", "llama"), heads=4, kv_heads=2)
    place = gguf if by == "file" else tmp_path
    # GGUF calls Mistral a llama, and has no word for a window of 0.
    check_facts(with_facts(**TINY, model_type="mistral", rope_theta=10000.0, sliding_window=0), place)
    for fact, value in {"num_hidden_layers": 3, "rope_theta": 1000000.0, "vocab_size": 32000}.items():
        with pytest.raises(BadWeights, match=rf"model\.gguf is not of the model .*: {fact} is .*, not {value}"):
            check_facts(with_facts(**{**TINY, fact: value}), place)


@pytest.mark.parametrize("value", [64, None])
def test_width_of_a_head(tmp_path: Path, value: int | None) -> None:
    """A file that does not tell it has transformers' default."""
    spec = Catalog.load().get(MISTRAL)
    spec = spec.model_copy(update={"architecture": ArchitectureFacts(head_dim=128)})
    config = {**MISTRAL_CONFIG, **({} if value is None else {"head_dim": value})}
    if value is None:
        check_facts(spec, folder_with(tmp_path, config))
        return
    with pytest.raises(BadWeights, match="head_dim is 64, not 128"):
        check_facts(spec, folder_with(tmp_path, config))


def test_a_text_model_within_a_larger_one(tmp_path: Path) -> None:
    """config.json of google/gemma-3-12b-it leaves out what is transformers' default, such as the vocabulary."""
    spec = Catalog.load().get("@cf/google/gemma-3-12b-it")
    text = {
        "model_type": "gemma3_text", "hidden_size": 3840, "intermediate_size": 15360, "num_attention_heads": 16,
        "num_hidden_layers": 48, "num_key_value_heads": 8, "sliding_window": 1024,
    }  # fmt: skip
    check_facts(spec, folder_with(tmp_path, {"model_type": "gemma3", "text_config": text}))
    with pytest.raises(BadWeights, match=r"hidden_size is 2560, not 3840"):
        check_facts(spec, folder_with(tmp_path, {"model_type": "gemma3", "text_config": text | {"hidden_size": 2560}}))
