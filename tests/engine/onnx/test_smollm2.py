"""The default model with its real weights: it computes what transformers reads from the same file, and talks sense."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from fireside.catalog.loader import Catalog
from fireside.engine.onnx.runner import OnnxRunner
from fireside.engine.types import GenerationRequest, Sampling
from fireside.prompting import Detokenizer, Tokenizer, build_prompt, open_tokenizer, stop_ids
from support.running import ids, open_runner, run

SPEC = Catalog.load().get("@hf/huggingfacetb/smollm2-135m-instruct")
QUESTIONS = (
    "What is the capital of France?",
    "Write a short story about a dog.",
    "Explain photosynthesis to a child.",
    "Name three fruits.",
    "What is 2 + 2?",
)


@pytest.fixture(scope="module")
def runner(smollm2_gguf: Path) -> OnnxRunner:
    return open_runner(smollm2_gguf, context=1024)


@pytest.fixture(scope="module")
def tokenizer(smollm2_gguf: Path) -> Tokenizer:
    return open_tokenizer(smollm2_gguf)


def ask(runner: OnnxRunner, tokenizer: Tokenizer, questions: tuple[str, ...], max_tokens: int) -> list[str]:
    requests = [
        GenerationRequest(
            prompt_ids=build_prompt(prompt=question, spec=SPEC.prompt, tokenizer=tokenizer),
            max_tokens=max_tokens,
            sampling=Sampling(temperature=0),
            stop_ids=stop_ids(SPEC.prompt, tokenizer),
        )
        for question in questions
    ]
    answers = []
    for tokens in run(runner, requests):
        detokenizer = Detokenizer(tokenizer, strip_leading_space=True)
        said = [detokenizer.push(token.id) for token in tokens if token.finish_reason != "stop"]
        answers.append("".join(said) + detokenizer.finish())
    return answers


def test_it_talks_sense(runner: OnnxRunner, tokenizer: Tokenizer) -> None:
    capital, story, plants, fruits, _ = ask(runner, tokenizer, QUESTIONS, 120)
    assert capital == "The capital of France is Paris."
    assert " dog" in story
    assert len(set(story.split())) > 40, "a story, not a loop"
    assert "plant" in plants
    assert fruits.count("\n") >= 2


def test_it_agrees_with_transformers(runner: OnnxRunner, tokenizer: Tokenizer, smollm2_gguf: Path) -> None:
    reference = AutoModelForCausalLM.from_pretrained(
        smollm2_gguf.parent, gguf_file=smollm2_gguf.name, dtype=torch.float32
    ).eval()
    for question in QUESTIONS:
        prompt = build_prompt(prompt=question, spec=SPEC.prompt, tokenizer=tokenizer)
        request = GenerationRequest(prompt_ids=prompt, max_tokens=24, sampling=Sampling(temperature=0))
        made = ids(run(runner, [request])[0])
        with torch.inference_mode():
            logits = reference(torch.tensor([prompt + made[:-1]])).logits[0, len(prompt) - 1 :]
        assert made == logits.argmax(dim=-1).tolist()
