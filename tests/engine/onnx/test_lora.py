"""Adapters: what PEFT computes on the same base, mixed in one batch, loaded while others run."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from peft import LoraConfig, PeftModel, get_peft_model

from fireside.engine.onnx import adapters as table
from fireside.engine.onnx.model_runner import DecodeInput
from fireside.engine.onnx.runner import OnnxRunner
from fireside.engine.types import Adapter, GenerationRequest, Sampling
from fireside.errors import EngineFailed
from fireside.weights.adapter import read_adapter
from support.checkpoints import make_tiny_checkpoint
from support.reference import Reference
from support.running import answers, ids, open_runner, outcomes, run

VOCAB = 301
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
PROMPT = np.random.default_rng(1).integers(0, VOCAB, 37).tolist()
MEMORY = 64 << 20

CONFIGS: dict[str, dict[str, Any]] = {
    "q and v": {"r": 8, "target_modules": ["q_proj", "v_proj"]},
    "all": {"r": 4, "target_modules": ALL},
    "rank 32": {"r": 32, "lora_alpha": 64, "target_modules": ALL},
    "one": {"r": 1, "target_modules": ["down_proj"]},
    "rank-stabilised": {"r": 16, "use_rslora": True, "target_modules": ["o_proj", "up_proj"]},
    "ranks by module": {
        "r": 8,
        "target_modules": ["k_proj", "gate_proj", "v_proj"],
        "rank_pattern": {"k_proj": 3, "layers.1.mlp.gate_proj": 12},
        "alpha_pattern": {"v_proj": 20},
    },
    "all but three": {"r": 4, "target_modules": ALL, "exclude_modules": ["gate_proj", "up_proj", "down_proj"]},
    "some layers": {"r": 4, "target_modules": ["q_proj", "up_proj"], "layers_to_transform": [0, 2]},
    # PEFT saves these layers as well; nobody trained them.
    "beside whole layers": {"r": 4, "target_modules": "all-linear", "modules_to_save": ["lm_head", "embed_tokens"]},
    "by patterns": {
        "r": 4,
        "target_modules": r"(?:.*?(?:self_attn|mlp)\.(?:[qkv]|up|down)_proj)",
        "exclude_modules": r"model\.layers\.1\..*",
        "rank_pattern": {r"layers\.(0|1)\..*(q|k)_proj": 6},
    },
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, NDArray[np.float32]]]:
    folder = tmp_path_factory.mktemp("base")
    return folder, make_tiny_checkpoint(folder, vocab=VOCAB, layers=3)


@pytest.fixture(scope="module")
def adapters(
    base: tuple[Path, dict[str, NDArray[np.float32]]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Adapter, Callable[[list[int]], NDArray[np.float32]]]]:
    """For each of CONFIGS an adapter that PEFT has saved, and what PEFT computes with it."""
    made: dict[str, tuple[Adapter, Callable[[list[int]], NDArray[np.float32]]]] = {}
    for name, options in CONFIGS.items():
        torch.manual_seed(len(made))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # between PEFT and transformers; none of ours
            model: PeftModel = get_peft_model(Reference(*base).model, LoraConfig(**options))
        for key, parameter in model.named_parameters():
            if "lora_" in key:
                torch.nn.init.normal_(parameter, std=0.2)
        folder = tmp_path_factory.mktemp("adapter")
        model.save_pretrained(str(folder))

        def logits(prompt: list[int], model: PeftModel = model) -> NDArray[np.float32]:
            with torch.inference_mode():
                result: NDArray[np.float32] = model(torch.tensor([prompt])).logits[0].numpy()
            return result

        made[name] = Adapter(name, str(folder)), logits
    return made


def open_with_adapters(folder: Path, memory: int = MEMORY, **options: Any) -> OnnxRunner:
    return open_runner(folder, adapter_memory=memory, **options)


def greedy(adapter: Adapter | None, count: int = 10, **options: Any) -> GenerationRequest:
    return GenerationRequest(
        prompt_ids=PROMPT, max_tokens=count, sampling=Sampling(temperature=0), adapter=adapter, **options
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_agrees_with_peft(base: Any, adapters: Any, name: str) -> None:
    adapter, reference = adapters[name]
    (made,) = run(open_with_adapters(base[0]), [greedy(adapter)])
    logits = reference([*PROMPT, *ids(made)[:-1]])[len(PROMPT) - 1 :]
    assert ids(made) == logits.argmax(axis=1).tolist()
    (plain,) = run(open_with_adapters(base[0]), [greedy(None)])
    assert ids(plain) != ids(made)
    assert run(open_runner(base[0]), [greedy(None)])[0] == plain


@pytest.mark.parametrize("name", CONFIGS)
def test_logits_agree_with_peft(base: Any, adapters: Any, name: str) -> None:
    adapter, reference = adapters[name]
    runner = open_with_adapters(base[0])
    run(runner, [greedy(adapter, 1)])
    slot = runner._adapters.acquire(adapter)  # type: ignore[union-attr]
    expected = reference(PROMPT)
    model = runner._model
    np.testing.assert_allclose(model.prefill(2, 0, PROMPT[:30], slot)[0], expected[29], atol=5e-4)
    for position in range(30, len(PROMPT)):
        logits = model.decode([DecodeInput(0, 0, 0), DecodeInput(2, position, PROMPT[position], slot)])[1]
        np.testing.assert_allclose(logits, expected[position], atol=5e-4, err_msg=f"position {position}")


@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_adapters_on_rounded_bases(base: Any, adapters: Any, weights: Any) -> None:
    """The base is rounded, the adapter is not: the difference that it makes is PEFT's."""
    adapter, reference = adapters["all"]
    runner = open_with_adapters(base[0], weights=weights)
    run(runner, [greedy(adapter, 1)])
    slot = runner._adapters.acquire(adapter)  # type: ignore[union-attr]
    with_it = runner._model.prefill(2, 0, PROMPT, slot)[0].copy()
    without = runner._model.prefill(3, 0, PROMPT)[0].copy()
    expected = reference(PROMPT)[-1] - Reference(*base).logits(PROMPT)[-1]
    difference = with_it - without
    cosine = difference @ expected / np.linalg.norm(difference) / np.linalg.norm(expected)
    assert cosine > (0.99 if weights == "int8" else 0.9)


def test_one_batch_mixes_adapters_and_none(base: Any, adapters: Any) -> None:
    requests = [greedy(adapter, 8 + index) for index, (adapter, _) in enumerate(adapters.values())]
    requests += [greedy(None, 20), greedy(requests[0].adapter, 5)]
    alone = [answers(open_with_adapters(base[0]), [request])[0] for request in requests]
    assert answers(open_with_adapters(base[0]), requests) == alone
    assert answers(open_with_adapters(base[0]), requests[::-1], stagger=2) == alone[::-1]
    assert len({tuple(token for token, _ in tokens[:5]) for tokens in alone}) == len(CONFIGS) + 1


def test_a_prefix_is_not_shared_between_adapters(base: Any, adapters: Any) -> None:
    runner = open_with_adapters(base[0])
    first, second = adapters["all"][0], adapters["rank 32"][0]
    for adapter in (first, second, None):
        run(runner, [greedy(adapter)])
    assert runner.stats().reused_tokens == 0
    run(runner, [greedy(second)])
    assert runner.stats().reused_tokens == len(PROMPT) - 1


def test_adapters_rotate_through_little_memory(base: Any, adapters: Any) -> None:
    """Room for about one of the large ones: each waits until another is done, and none gives a wrong answer."""
    chosen = [adapters[name][0] for name in ("rank 32", "all", "q and v", "rank 32", "one", "ranks by module")]
    expected = [ids(run(open_with_adapters(base[0]), [greedy(adapter)])[0]) for adapter in chosen]
    runner = open_with_adapters(base[0], memory=1_300_000)
    for _ in range(3):
        assert [ids(tokens) for tokens in run(runner, [greedy(adapter) for adapter in chosen])] == expected


def test_an_adapter_that_can_never_fit_fails_alone(base: Any, adapters: Any) -> None:
    runner = open_with_adapters(base[0], memory=100_000)
    runner.submit(0, greedy(adapters["rank 32"][0]))
    runner.submit(1, greedy(None))
    made: dict[int, list[Any]] = {0: [], 1: []}
    while runner.busy:
        for number, outcome in runner.step():
            made[number].append(outcome)
    assert [type(outcome) for outcome in made[0]] == [EngineFailed]
    assert "MiB" in str(made[0][0])
    assert len(made[1]) == 10


def test_an_adapter_for_which_there_is_no_memory_fails_alone(
    base: Any, adapters: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, unlucky = read_adapter, adapters["all"][0]

    def read_or_run_out(folder: Path) -> Any:
        if str(folder) == unlucky.folder:
            raise MemoryError
        return read(folder)

    runner = open_with_adapters(base[0])
    with monkeypatch.context() as patched:
        patched.setattr(table, "read_adapter", read_or_run_out)
        failed, made = outcomes(runner, [greedy(unlucky), greedy(adapters["one"][0])])
    assert [str(error) for error in failed] == ["The fine-tune cannot be loaded: there is not enough memory for it."]
    assert len(made) == 10
    assert len(run(runner, [greedy(unlucky)])[0]) == 10


def test_missing_files_fail_alone_and_may_come_later(base: Any, adapters: Any, tmp_path: Path) -> None:
    runner = open_with_adapters(base[0])
    runner.submit(0, greedy(Adapter("late", str(tmp_path))))
    made = []
    while runner.busy:
        made += runner.step()
    assert [type(outcome) for _, outcome in made] == [EngineFailed]
    for file in Path(adapters["all"][0].folder).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert run(runner, [greedy(Adapter("late", str(tmp_path)))]) == run(runner, [greedy(adapters["all"][0])])


def test_a_model_without_adapters_refuses_them(base: Any, adapters: Any) -> None:
    with pytest.raises(ValueError, match="does not support adapters"):
        open_runner(base[0]).submit(0, greedy(adapters["all"][0]))


def test_cancelled_requests_let_go_of_their_adapter(base: Any, adapters: Any) -> None:
    runner = open_with_adapters(base[0], memory=1_300_000)
    runner.submit(0, greedy(adapters["rank 32"][0], 400))
    while not runner.step():
        pass
    runner.cancel(0)
    assert len(run(runner, [greedy(adapters["all"][0])])[0]) == 10
