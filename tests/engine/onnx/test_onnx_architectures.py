"""Every architecture: what the engine computes is what transformers and PEFT compute from the same files."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType
from gguf.quants import dequantize
from gguf.quants import quantize as quantize_gguf
from numpy.typing import NDArray
from peft import LoraConfig, PeftModel, get_peft_model

from fireside.engine.onnx.layout import HEAD_BLOCK
from fireside.engine.onnx.options import WeightsMode
from fireside.engine.onnx.pack import Packed, pack
from fireside.engine.types import Adapter, GenerationRequest, Sampling
from fireside.errors import BadAdapter
from fireside.weights.adapter import check_fits, read_adapter
from fireside.weights.adapter_copies import check_copies
from fireside.weights.architectures import ARCHITECTURES
from fireside.weights.nbits import quantize
from fireside.weights.open import open_checkpoint
from support.adapters import adapter_config, make_adapter
from support.gptq import quantise_gptq
from support.logits import all_logits
from support.reference import Reference
from support.running import answers, ids, open_runner, run
from support.tiny_models import Weights, convert_to_gguf, make_tiny_model, put_into_larger_model, quantise_folder_awq

PROMPT = np.random.default_rng(5).integers(0, 301, 41).tolist()

LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}

GEMMA3 = {
    "sliding_window": 16,
    "query_pre_attn_scalar": 64,
    "tie_word_embeddings": True,
    "rope_parameters": {
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
        "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
    },
}

MODELS: dict[str, dict[str, Any]] = {
    "llama": {"model_type": "llama"},
    "llama 3.1": {"model_type": "llama", "rope_parameters": LLAMA3},
    "llama 3.2": {"model_type": "llama", "rope_parameters": LLAMA3, "tie_word_embeddings": True},
    "llama, linear": {
        "model_type": "llama",
        "rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0},
    },
    "mistral": {"model_type": "mistral", "sliding_window": None},
    "mistral, window": {"model_type": "mistral", "sliding_window": 16},
    "qwen2": {"model_type": "qwen2"},
    "qwen2, window": {
        "model_type": "qwen2",
        "use_sliding_window": True,
        "sliding_window": 16,
        "max_window_layers": 1,
        "tie_word_embeddings": True,
    },
    "qwen3": {"model_type": "qwen3", "tie_word_embeddings": True},
    "gemma": {"model_type": "gemma", "num_key_value_heads": 1, "tie_word_embeddings": True},
    "gemma3": {**GEMMA3, "model_type": "gemma3_text", "num_hidden_layers": 7},
    "gemma3, every other layer without window": {
        "model_type": "gemma3_text",
        "sliding_window": 16,
        "sliding_window_pattern": 2,
        "query_pre_attn_scalar": 100,
    },
}

FIRST = list({options["model_type"]: name for name, options in reversed(MODELS.items())}.values())
"""One model of each architecture."""

IN_GGUF = [name for name in MODELS if "window" not in name]
"""llama.cpp's converter leaves out the windows of the others."""


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Weights]:
    """The folder of a tiny model, and its weights."""
    folder = tmp_path / "model"
    return folder, make_tiny_model(folder, **MODELS[request.param])


def test_each_architecture_is_among_the_models() -> None:
    alone = {known.model_type for known in ARCHITECTURES if not known.in_larger_model}
    assert alone == {options["model_type"] for options in MODELS.values()}


def test_floats(model: tuple[Path, Weights]) -> None:
    folder, worth = model
    reference = Reference(folder, worth)
    expected = reference.logits(PROMPT)
    for position, logits in all_logits(folder, PROMPT, weights="f32"):
        np.testing.assert_allclose(logits, expected[position], atol=3e-4, err_msg=f"position {position}")
    request = GenerationRequest(prompt_ids=PROMPT, max_tokens=12, sampling=Sampling(temperature=0))
    (made,) = run(open_runner(folder, weights="f32"), [request])
    assert ids(made) == reference.greedy(PROMPT, 12)


def rounded(folder: Path, worth: Weights) -> Weights:
    """With the head as the engine's 8 bits keep it, and the embedding, scaled, as its float16 does."""
    embedding = worth["model.embed_tokens.weight"]
    weight = worth.get("lm_head.weight", embedding)
    codes, scales, _ = quantize(weight, 8, HEAD_BLOCK)
    scale = np.float32(open_checkpoint(folder).config.embedding_scale)
    return worth | {
        "lm_head.weight": ((codes.astype(np.float32) - 128) * scales[..., None]).reshape(weight.shape),
        "model.embed_tokens.weight": (embedding * scale).astype(np.float16).astype(np.float32) / scale,
    }


@pytest.mark.parametrize("method", ["awq", "gptq"])
def test_four_bits(method: str, model: tuple[Path, Weights]) -> None:
    folder, _ = model
    worth = quantise_folder_awq(folder, 32) if method == "awq" else quantise_gptq(folder, 32)
    expected = Reference(folder, rounded(folder, worth), tied=False).logits(PROMPT)
    for position, logits in all_logits(folder, PROMPT, exact=True):
        np.testing.assert_allclose(logits, expected[position], atol=1e-3, err_msg=f"position {position}")


@pytest.mark.parametrize("model", IN_GGUF, indirect=True)
def test_a_gguf_file_is_packed_as_the_folder_is(model: tuple[Path, Weights]) -> None:
    folder, worth = model
    file = folder.parent / "model.gguf"
    convert_to_gguf(folder, worth, file)
    ours, theirs = packed(folder, "f32").file.tensors, packed(file, "f32").file.tensors
    assert ours.keys() == theirs.keys()
    for name, values in ours.items():
        np.testing.assert_array_equal(theirs[name], values, err_msg=name)


@pytest.mark.parametrize("model", IN_GGUF, indirect=True)
def test_a_quantised_gguf_file(model: tuple[Path, Weights]) -> None:
    folder, plain = model
    file, kind = folder.parent / "model.gguf", GGMLQuantizationType.Q8_0
    convert_to_gguf(folder, plain, file, kind)
    worth = {
        name: dequantize(quantize_gguf(values, kind), kind) if values.ndim == 2 else values
        for name, values in plain.items()
    }
    expected = Reference(folder, worth).logits(PROMPT)
    for position, logits in all_logits(file, PROMPT, weights="f32"):
        np.testing.assert_allclose(logits, expected[position], atol=3e-4, err_msg=f"position {position}")


def test_the_attention_scale_of_a_gemma_3_27b_in_gguf(tmp_path: Path) -> None:
    """Metadata do not have it; llama.cpp goes by the number of layers."""
    options = GEMMA3 | {
        "hidden_size": 64,
        "intermediate_size": 32,
        "num_hidden_layers": 62,
        "query_pre_attn_scalar": 16,
    }
    worth = make_tiny_model(tmp_path / "model", "gemma3_text", **options)
    convert_to_gguf(tmp_path / "model", worth, tmp_path / "model.gguf")
    config = open_checkpoint(tmp_path / "model.gguf").config
    assert config.attention_scale == open_checkpoint(tmp_path / "model").config.attention_scale == 1 / 4


def packed(path: Path, mode: WeightsMode) -> Packed:
    return pack(open_checkpoint(path), mode, None, lambda phase, done, total: None)


@pytest.mark.parametrize("model", ["gemma3"], indirect=True)
def test_a_text_model_within_one_for_images(model: tuple[Path, Weights]) -> None:
    folder, _ = model
    larger = folder.parent / "larger"
    whole = put_into_larger_model(folder, larger)
    ours, theirs = packed(folder, "f32"), packed(larger, "f32")
    assert open_checkpoint(larger).config == open_checkpoint(folder).config
    for name, values in ours.file.tensors.items():
        np.testing.assert_array_equal(theirs.file.tensors[name], values, err_msg=name)
    place = larger / "adapter"
    adapt(whole, r".*language_model.*_proj").save_pretrained(str(place))
    adapter = read_adapter(place)
    check_fits(adapter, open_checkpoint(larger).config)
    assert len(adapter.modules) == 7 * 7


@pytest.mark.parametrize(
    ("model", "weights"), [("gemma3", "f32"), *((name, "int8") for name in FIRST)], indirect=["model"]
)
def test_an_answer_does_not_depend_on_its_neighbours(weights: WeightsMode, model: tuple[Path, Weights]) -> None:
    folder, _ = model
    requests = [
        GenerationRequest(prompt_ids=PROMPT[start:stop], max_tokens=16, sampling=Sampling(temperature=1.5, seed=start))
        for start, stop in ((0, 33), (3, 4), (5, 41), (7, 20))
    ]
    alone = [answers(open_runner(folder, weights=weights), [request])[0] for request in requests]
    assert answers(open_runner(folder, weights=weights), requests, stagger=2) == alone


@pytest.mark.parametrize(
    ("model", "method"), [("qwen2", "f32"), *((name, "awq") for name in FIRST)], indirect=["model"]
)
def test_adapters(method: str, model: tuple[Path, Weights]) -> None:
    folder, worth = model
    if method == "awq":
        worth = rounded(folder, quantise_folder_awq(folder, 32))
    adapted = adapt(Reference(folder, worth, tied=method == "f32").model, "all-linear")
    for key, parameter in adapted.named_parameters():
        if "lora_" in key:
            torch.nn.init.normal_(parameter, std=0.3)
    place = folder.parent / "adapter"
    adapted.save_pretrained(str(place))
    expected = greedy(adapted, PROMPT, 12)
    request = GenerationRequest(
        prompt_ids=PROMPT, max_tokens=12, sampling=Sampling(temperature=0), adapter=Adapter("one", str(place))
    )
    runner = open_runner(folder, weights="auto" if method == "awq" else "f32", exact=True, adapter_memory=8 << 20)
    (made,) = run(runner, [request])
    assert ids(made) == expected
    assert expected != Reference(folder, worth, tied=method == "f32").greedy(PROMPT, 12)


@pytest.mark.parametrize("model", ["qwen3", "gemma3"], indirect=True)
def test_norms_beside_an_adapter_have_to_be_the_bases_own(model: tuple[Path, Weights], tmp_path: Path) -> None:
    folder, worth = model
    norms: dict[str, NDArray[np.generic]] = {
        f"base_model.model.{name}": values for name, values in worth.items() if name.endswith("norm.weight")
    }
    base = open_checkpoint(folder)
    lora: dict[str, NDArray[np.generic]] = {
        "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": np.ones((4, 128), np.float32),
        "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight": np.ones((256, 4), np.float32),
    }
    config = adapter_config(target_modules=["q_proj"])
    adapter = read_adapter(make_adapter(tmp_path / "same", config, lora | norms))
    assert len(adapter.copies) == len(norms)
    check_copies(adapter.copies, base)
    key = "base_model.model.model.layers.0.self_attn.k_norm.weight"
    trained = norms | {key: np.full_like(norms[key], 0.5)}
    adapter = read_adapter(make_adapter(tmp_path / "trained", config, lora | trained))
    with pytest.raises(BadAdapter, match=r"layers\.0\.self_attn\.k_norm\.weight .* it was trained"):
        check_copies(adapter.copies, base)


def adapt(model: Any, modules: str) -> PeftModel:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # between PEFT and transformers; none of ours
        adapted: PeftModel = get_peft_model(model, LoraConfig(r=4, target_modules=modules))
    return adapted


def greedy(model: Any, prompt: list[int], count: int) -> list[int]:
    made: list[int] = []
    with torch.inference_mode():
        for _ in range(count):
            logits: NDArray[np.float32] = model(torch.tensor([[*prompt, *made]])).logits[0, -1].numpy()
            made.append(int(logits.argmax()))
    return made
