import json
from pathlib import Path

import pytest

from fireside.catalog.loader import Catalog
from fireside.errors import BadWeights
from fireside.weights.facts import check_facts

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
