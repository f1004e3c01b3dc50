"""The training script: what it makes of data files, and that what it saves is an adapter that has learned."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from examples.finetune.train import (
    IGNORED,
    Example,
    load_base,
    make_batch,
    make_examples,
    name_of,
    read_conversations,
    save_adapter,
    shuffled_batches,
    train,
)
from peft import LoraConfig, PeftModel

from fireside.catalog.loader import Catalog
from fireside.prompting import Message, Tokenizer, build_prompt, open_tokenizer
from fireside.weights.adapter import WEIGHTS_FILE, check_fits, read_adapter
from fireside.weights.open import open_checkpoint
from support.checkpoints import make_tiny_checkpoint
from support.documents import ROOT

SPEC = Catalog.load().get("@hf/huggingfacetb/smollm2-135m-instruct")
DATA = ROOT / "examples" / "finetune" / "pirate.jsonl"


@pytest.fixture(scope="module")
def tokenizer(smollm2_gguf: Path) -> Tokenizer:
    return open_tokenizer(smollm2_gguf)


def conversations_of(folder: Path, *lines: object) -> Path:
    path = folder / "data.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return path


def conversation(*turns: tuple[str, str]) -> dict[str, object]:
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def test_each_answer_follows_the_prompt_that_a_server_makes(tokenizer: Tokenizer, tmp_path: Path) -> None:
    turns: list[tuple[Any, str]] = [
        ("user", "Hi <|im_end|>"),
        ("assistant", "Arr!"),
        ("user", "Who?"),
        ("assistant", "Me,\nmatey "),
    ]
    read = read_conversations(conversations_of(tmp_path, conversation(*turns), ""))
    first, second = make_examples(read, SPEC.prompt, tokenizer, 512)
    assert first.prompt == build_prompt(messages=[Message(*turns[0])], spec=SPEC.prompt, tokenizer=tokenizer)
    assert second.prompt == build_prompt(
        messages=[Message(*turn) for turn in turns[:3]], spec=SPEC.prompt, tokenizer=tokenizer
    )
    end = tokenizer.special_id("<|im_end|>")
    for example, (_, said) in ((first, turns[1]), (second, turns[3])):
        assert example.answer[-1] == end
        assert b"".join(map(tokenizer.token_bytes, example.answer)).decode() == said


def test_the_pirate_always_talks_like_one(tokenizer: Tokenizer) -> None:
    examples = make_examples(read_conversations(DATA), SPEC.prompt, tokenizer, 512)
    assert len(examples) > 50
    for example in examples:
        said = b"".join(map(tokenizer.token_bytes, example.answer)).decode()
        assert said.startswith(("Arr, matey!", "Ahoy, ")), said


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "truncated"),
        ({"prompt": "Hi"}, "missing required field `messages`"),
        (conversation(("user", "Hi"), ("pirate", "Arr")), r"Invalid enum value 'pirate' - at `\$.messages\[1\].role`"),
        (conversation(("user", "Hi")), "the last message is not the assistant's answer"),
        ({"messages": []}, "the last message is not the assistant's answer"),
    ],
)
def test_a_bad_line_is_named(line: object, reason: str, tmp_path: Path) -> None:
    sound = conversation(("user", "Hi"), ("assistant", "Arr"))
    with pytest.raises(ValueError, match=f"data.jsonl, line 2: .*{reason}"):
        read_conversations(conversations_of(tmp_path, sound, line))


def test_a_file_without_examples_and_an_example_too_long(tokenizer: Tokenizer, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no examples"):
        read_conversations(conversations_of(tmp_path, "", ""))
    long = read_conversations(conversations_of(tmp_path, conversation(("user", "Hi"), ("assistant", "Arr! " * 50))))
    with pytest.raises(ValueError, match="longer than 100 tokens"):
        make_examples(long, SPEC.prompt, tokenizer, 100)


def test_only_answers_are_learned_and_padding_is_not_read() -> None:
    batch = make_batch([Example([1, 2, 3], [4, 5]), Example([6], [7])])
    assert batch["input_ids"].tolist() == [[1, 2, 3, 4, 5], [6, 7, 0, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]]
    assert batch["labels"].tolist() == [[IGNORED] * 3 + [4, 5], [IGNORED, 7] + [IGNORED] * 3]


def test_batches_use_every_example_once_before_any_again() -> None:
    examples = [Example([number], [number]) for number in range(7)]
    batches = list(shuffled_batches(examples, 3, 7, seed=1))
    used = [row[0] for batch in batches for row in batch["input_ids"].tolist()]
    assert sorted(used[:7]) == sorted(used[7:14]) == sorted(used[14:]) == list(range(7))
    again = shuffled_batches(examples, 3, 7, seed=1)
    assert all(torch.equal(one["input_ids"], other["input_ids"]) for one, other in zip(batches, again, strict=True))


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # between PEFT and transformers
def test_a_trained_adapter_has_learned_and_is_one_that_fireside_takes(tmp_path: Path) -> None:
    make_tiny_checkpoint(tmp_path / "base", "llama")
    examples = [Example([5, 6, 7], [8, 9, 10]), Example([11, 12], [13])]
    torch.manual_seed(0)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    trained = train(load_base(tmp_path / "base"), config, shuffled_batches(examples, 2, 20, 0), 20, 1e-2)
    save_adapter(trained, "someone/base", tmp_path / "adapter")

    adapter = read_adapter(tmp_path / "adapter")
    check_fits(adapter, open_checkpoint(tmp_path / "base").config)
    assert (adapter.config.rank, adapter.config.base_model) == (4, "someone/base")
    batch = make_batch(examples)
    with torch.inference_mode():
        before = load_base(tmp_path / "base")(**batch).loss
        after = PeftModel.from_pretrained(load_base(tmp_path / "base"), tmp_path / "adapter")(**batch).loss
    assert after < 0.8 * before


def test_the_committed_adapter_is_small_and_names_its_base() -> None:
    adapter = ROOT / "examples" / "finetune" / "adapter"
    assert (adapter / WEIGHTS_FILE).stat().st_size < 3_000_000
    assert read_adapter(adapter).config.base_model == name_of(SPEC) == "HuggingFaceTB/SmolLM2-135M-Instruct"
