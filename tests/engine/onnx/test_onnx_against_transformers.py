"""What the graph computes is what transformers computes from the same weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fireside.engine.onnx.layout import HEAD_BLOCK
from fireside.engine.types import GenerationRequest, Sampling
from fireside.weights.nbits import quantize
from support.checkpoints import make_tiny_checkpoint
from support.compressed import compress, group
from support.gptq import quantise_gptq
from support.logits import all_logits
from support.reference import Reference
from support.running import ids, open_runner, run

PROMPT = np.random.default_rng(5).integers(0, 99, 41).tolist()

SHAPES: dict[str, dict[str, Any]] = {
    "mistral": {"arch": "mistral"},
    "llama": {"arch": "llama"},
    "tied embeddings": {"arch": "llama", "tie": True},
    "no grouping": {"arch": "llama", "heads": 4, "kv_heads": 4},
    "one key head": {"arch": "mistral", "heads": 8, "kv_heads": 1, "head_dim": 16},
    "wide heads": {"arch": "mistral", "heads": 2, "kv_heads": 1, "head_dim": 128},
    "large theta": {"arch": "mistral", "rope_theta": 1e6},
    "sliding window": {"arch": "mistral", "sliding_window": 8},
    "odd vocabulary": {"arch": "mistral", "vocab": 1001},
    "sharded bf16": {"arch": "mistral", "dtype": "bf16", "shards": 3},
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_float_logits_agree(tmp_path: Path, shape: dict[str, Any]) -> None:
    worth = make_tiny_checkpoint(tmp_path, **shape)
    expected = Reference(tmp_path, worth).logits(PROMPT)
    for position, logits in all_logits(tmp_path, PROMPT, weights="f32"):
        np.testing.assert_allclose(logits, expected[position], atol=2e-4, err_msg=f"position {position}")


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_greedy_tokens_agree(tmp_path: Path, shape: dict[str, Any]) -> None:
    worth = make_tiny_checkpoint(tmp_path, **shape)
    request = GenerationRequest(prompt_ids=PROMPT, max_tokens=24, sampling=Sampling(temperature=0))
    (made,) = run(open_runner(tmp_path, weights="f32"), [request])
    assert ids(made) == Reference(tmp_path, worth).greedy(PROMPT, 24)


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize("arch", ["mistral", "llama"])
def test_awq_agrees(tmp_path: Path, arch: Any, size: int) -> None:
    worth = make_tiny_checkpoint(tmp_path, arch, awq_group=size, hidden=256, inner=512, heads=8, vocab=1001)
    check_coded(tmp_path, worth, head_rounded=True)


FORMS: dict[str, tuple[dict[str, Any], ...]] = {
    "groups of 128": (group(),),
    "groups of 32 with zero points": (group(group_size=32, symmetric=False),),
    "by channel": (group(strategy="channel", group_size=None),),
    "by channel with zero points": (group(strategy="channel", group_size=None, symmetric=False),),
    "groups of two sizes in one product": (
        group("re:.*(q|k)_proj$", group_size=32, symmetric=False),
        group("re:.*(v|o)_proj$", group_size=64),
    ),
    "groups of 16 and 256": (group("re:.*mlp.*", group_size=256), group("re:.*self_attn.*", group_size=16)),
    "lm_head as well": (group("re:.*_proj$", "lm_head"),),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("arch", ["mistral", "llama"])
@pytest.mark.parametrize("form", FORMS)
def test_compressed_tensors_agree(tmp_path: Path, form: str, arch: Any) -> None:
    make_tiny_checkpoint(tmp_path / "plain", arch, dtype="f16", hidden=256, inner=512, heads=8, vocab=1001)
    ignore = [] if form == "lm_head as well" else ["lm_head"]
    worth = compress(tmp_path / "plain", tmp_path / "model", *FORMS[form], ignore=ignore)
    check_coded(tmp_path / "model", worth, head_rounded=bool(ignore))


@pytest.mark.parametrize("size", [32, 128, None])
def test_gptq_agrees(tmp_path: Path, size: int | None) -> None:
    make_tiny_checkpoint(tmp_path, dtype="f16", hidden=256, inner=512, heads=8, vocab=1001)
    check_coded(tmp_path, quantise_gptq(tmp_path, size), head_rounded=True)


def check_coded(folder: Path, worth: dict[str, NDArray[np.float32]], head_rounded: bool) -> None:
    """Prefill, decode and greedy tokens of codes that are run as they are, in float arithmetic."""
    if head_rounded:
        worth["lm_head.weight"] = rounded(worth["lm_head.weight"])
    reference = Reference(folder, worth)
    expected = reference.logits(PROMPT)
    for position, logits in all_logits(folder, PROMPT, exact=True):
        np.testing.assert_allclose(logits, expected[position], atol=2e-3, err_msg=f"position {position}")
    request = GenerationRequest(prompt_ids=PROMPT, max_tokens=12, sampling=Sampling(temperature=0))
    (made,) = run(open_runner(folder, exact=True), [request])
    assert ids(made) == reference.greedy(PROMPT, 12)


def test_columns_ordered_by_activation_agree_in_floats(tmp_path: Path) -> None:
    make_tiny_checkpoint(tmp_path, hidden=256, inner=512, heads=8, vocab=1001)
    worth = quantise_gptq(tmp_path, 64, ordered=True)
    expected = Reference(tmp_path, worth).logits(PROMPT)
    for position, logits in all_logits(tmp_path, PROMPT, weights="f32"):
        np.testing.assert_allclose(logits, expected[position], atol=2e-4, err_msg=f"position {position}")


def rounded(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the engine's 8-bit lm_head keeps of a weight."""
    codes, scales, _ = quantize(weight, 8, HEAD_BLOCK)
    return ((codes.astype(np.float32) - 128) * scales[..., None]).reshape(weight.shape)


@pytest.mark.parametrize(
    ("options", "closeness"), [({}, 0.999), ({"weights": "int8"}, 0.999), ({"weights": "int4"}, 0.98)]
)
def test_rounded_logits_are_close(tmp_path: Path, options: dict[str, Any], closeness: float) -> None:
    group = None if options else 128
    worth = make_tiny_checkpoint(tmp_path, awq_group=group, hidden=256, inner=512, heads=8, kv_heads=2)
    expected = Reference(tmp_path, worth).logits(PROMPT)
    cosines = [
        np.dot(logits, expected[position]) / np.linalg.norm(logits) / np.linalg.norm(expected[position])
        for position, logits in all_logits(tmp_path, PROMPT, **options)
    ]
    assert min(cosines) > closeness
    assert min(cosines) < 1 - 1e-7, "nothing was rounded"
