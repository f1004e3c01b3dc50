"""Where a checkpoint says how it is quantised: config.json, AutoAWQ's and AutoGPTQ's own files, or several of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fireside.catalog.spec import ArchitectureFacts, ModelSpec
from fireside.errors import BadWeights, UnsupportedWeights
from fireside.weights.checkpoint import AwqLinear
from fireside.weights.facts import check_facts
from fireside.weights.open import open_checkpoint
from fireside.weights.quantisation_config import read_quantisation_config
from support.checkpoints import make_tiny_checkpoint
from support.model_sources import hub_source, model_spec

AUTOAWQ = {"zero_point": True, "q_group_size": 32, "w_bit": 4, "version": "GEMM"}
"""As AutoAWQ 0.1's `save_quantized` wrote it into quant_config.json."""
TRANSFORMERS = {"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm", "zero_point": True}
Q = "layers.0.self_attn.q_proj"


def checkpoint(folder: Path, **files: object) -> Path:
    """An AWQ checkpoint in groups of 32, with these files as all that says so; `config` goes into config.json."""
    make_tiny_checkpoint(folder, awq_group=32)
    config = json.loads((folder / "config.json").read_text())
    del config["quantization_config"]
    if "config" in files:
        config["quantization_config"] = files.pop("config")
    (folder / "config.json").write_text(json.dumps(config))
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(
    "files",
    [
        {"quant_config": AUTOAWQ},
        {"quant_config": TRANSFORMERS},
        {"quant_config": AUTOAWQ | {"modules_to_not_convert": ["lm_head"]}},
        {"quant_config": {"q_group_size": 32}},
        {"config": AUTOAWQ | {"quant_method": "AWQ"}},
        {"config": TRANSFORMERS | {"version": "GEMM", "modules_to_not_convert": None}},
        {"config": TRANSFORMERS, "quant_config": AUTOAWQ},
        {"config": {"quant_method": "awq"}, "quant_config": AUTOAWQ},
        {"config": None, "quant_config": AUTOAWQ},
    ],
)
def test_awq_is_read_wherever_it_is_said(files: dict[str, Any], tmp_path: Path) -> None:
    found = open_checkpoint(checkpoint(tmp_path / "found", **files)).linear(Q)
    expected = open_checkpoint(checkpoint(tmp_path / "expected", config=TRANSFORMERS)).linear(Q)
    assert isinstance(found, AwqLinear)
    assert isinstance(expected, AwqLinear)
    assert found.group_size == expected.group_size == 32
    for part in ("qweight", "qzeros", "scales"):
        np.testing.assert_array_equal(getattr(found, part), getattr(expected, part))


@pytest.mark.parametrize(
    ("files", "kind", "why"),
    [
        (
            {"config": TRANSFORMERS, "quant_config": AUTOAWQ | {"q_group_size": 64}},
            BadWeights,
            r"quant_config\.json: group_size is 64, and config\.json says 32",
        ),
        (
            {"config": {"quant_method": "gptq"}, "quant_config": AUTOAWQ},
            BadWeights,
            r"quant_config\.json: quant_method is awq, and config\.json says gptq",
        ),
        (
            {"quantize_config": {"bits": 4, "group_size": 32}, "quant_config": AUTOAWQ},
            BadWeights,
            r"quantize_config\.json: quant_method is gptq, and quant_config\.json says awq",
        ),
        (
            {"quant_config": AUTOAWQ | {"bits": 8}},
            BadWeights,
            r"quant_config\.json: bits is given twice",
        ),
        ({"quant_config": AUTOAWQ | {"version": "GEMV"}}, UnsupportedWeights, r"quant_config\.json: AWQ with version"),
        ({"quant_config": AUTOAWQ | {"w_bit": 8}}, UnsupportedWeights, r"quant_config\.json: AWQ with bits 8"),
        ({"quant_config": AUTOAWQ | {"q_group_size": -1}}, UnsupportedWeights, r"quant_config\.json: .*group_size -1"),
        ({"quant_config": AUTOAWQ | {"q_group_size": "32"}}, BadWeights, r"quant_config\.json: group_size is '32'"),
        ({"quant_config": AUTOAWQ | {"version": ["GEMM"]}}, UnsupportedWeights, "AWQ with version"),
        ({"quant_config": []}, BadWeights, r"quant_config\.json: not a JSON object"),
        ({"config": 4}, BadWeights, "quantization_config is not an object"),
        ({"quant_config": AUTOAWQ | {"q_group_size": 64}}, BadWeights, "has shape"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    files: dict[str, Any], kind: type[Exception], why: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=why) as caught:
        open_checkpoint(checkpoint(tmp_path, **files))
    assert type(caught.value) is kind


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path)
    (folder / "quant_config.json").write_text("{")
    with pytest.raises(BadWeights, match=r"quant_config\.json: cannot be read as JSON"):
        open_checkpoint(folder)


def test_a_checkpoint_without_quantisation(tmp_path: Path) -> None:
    make_tiny_checkpoint(tmp_path)
    assert read_quantisation_config(tmp_path) is None


def test_another_group_size_is_other_weights(tmp_path: Path) -> None:
    """The repacked weights of before must not be taken for these."""
    folder = checkpoint(tmp_path, quant_config=AUTOAWQ)
    before = open_checkpoint(folder).fingerprint
    (folder / "quant_config.json").write_text(json.dumps(AUTOAWQ | {"modules_to_not_convert": []}))
    assert open_checkpoint(folder).fingerprint != before


@pytest.mark.parametrize("files", [{"quant_config": AUTOAWQ}, {"config": TRANSFORMERS}])
def test_the_catalogs_group_size_is_compared(files: dict[str, Any], tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, **files)
    check_facts(_with_group_size(32), folder)
    with pytest.raises(BadWeights, match="group_size is 32, not 128"):
        check_facts(_with_group_size(128), folder)


def _with_group_size(size: int) -> ModelSpec:
    spec = model_spec(hub_source("config.json"))
    return spec.model_copy(update={"architecture": ArchitectureFacts(group_size=size)})
