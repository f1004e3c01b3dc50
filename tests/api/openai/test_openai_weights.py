"""OpenAI's own library for Python against the default model with its real weights."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from openai import OpenAI
from transformers import AutoModelForCausalLM

from fireside.prompting import open_tokenizer
from support.command import pull_default_model
from support.serving import serving

MODEL = "@hf/huggingfacetb/smollm2-135m-instruct"
QUESTION: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]
TEXT = "The capital of France is Paris. The capital of Italy is"


@pytest.fixture(scope="module")
def client(smollm2_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    data = pull_default_model(tmp_path_factory.mktemp("weights") / "data", smollm2_gguf)
    with serving(data) as url, OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        yield client


def chat(client: OpenAI, **fields: Any) -> Any:
    return client.chat.completions.create(**{"model": MODEL, "messages": QUESTION, "temperature": 0, **fields})


def complete(client: OpenAI, **fields: Any) -> Any:
    return client.completions.create(**{"model": MODEL, "prompt": TEXT, "temperature": 0, **fields})


def test_a_prompt_is_scored_as_in_transformers(client: OpenAI, smollm2_gguf: Path) -> None:
    logprobs = complete(client, echo=True, max_tokens=0, logprobs=5).choices[0].logprobs
    ids = open_tokenizer(smollm2_gguf).encode(TEXT, control=True)
    reference = AutoModelForCausalLM.from_pretrained(
        smollm2_gguf.parent, gguf_file=smollm2_gguf.name, dtype=torch.float32
    ).eval()
    with torch.inference_mode():
        expected = torch.log_softmax(reference(torch.tensor([ids])).logits[0].double(), dim=-1)
    assert "".join(logprobs.tokens) == TEXT
    assert logprobs.token_logprobs[0] is None
    assert len(logprobs.tokens) == len(ids)
    for place, token in enumerate(ids[1:]):
        # The engine multiplies 8-bit integers where the reference has floats.
        assert logprobs.token_logprobs[place + 1] == pytest.approx(float(expected[place, token]), abs=0.3)
        assert len(logprobs.top_logprobs[place + 1]) in (5, 6)


def test_an_answer_is_scored_and_stays_the_same(client: OpenAI) -> None:
    plain, scored = chat(client, max_tokens=8), chat(client, max_tokens=8, logprobs=True, top_logprobs=3)
    assert plain.choices[0].message == scored.choices[0].message
    content = scored.choices[0].logprobs.content
    assert "".join(one.token for one in content) == scored.choices[0].message.content
    for one in content:
        assert one.top_logprobs[0].token == one.token, "the likeliest was taken"
        assert one.logprob == one.top_logprobs[0].logprob
        assert [top.logprob for top in one.top_logprobs] == sorted(
            (top.logprob for top in one.top_logprobs), reverse=True
        )


def test_each_of_several_answers_can_be_had_alone(client: OpenAI) -> None:
    fields: dict[str, Any] = {"prompt": ["Once upon a time", "The best"], "temperature": 1, "max_tokens": 6}
    several = complete(client, n=2, seed=5, logprobs=1, **fields)
    alone = [
        complete(client, **{**fields, "prompt": prompt}, seed=5 + place).choices[0].text
        for prompt in fields["prompt"]
        for place in (0, 1)
    ]
    assert [choice.text for choice in several.choices] == alone
    assert len(set(alone)) == 4


def test_further_answers_reuse_the_prompt(client: OpenAI) -> None:
    prompt = "A list of many words that nobody has sent to this model before now: tree, house, river, cloud and"
    [token_count] = {complete(client, prompt=prompt, max_tokens=1, n=3).usage.prompt_tokens}
    again = complete(client, prompt=prompt, max_tokens=1).usage
    assert again.prompt_tokens == token_count
    assert again.prompt_tokens_details.cached_tokens == token_count - 1


def test_the_best_of_several_is_the_likeliest(client: OpenAI) -> None:
    fields = {"prompt": "My name is", "temperature": 1, "max_tokens": 4, "seed": 1, "logprobs": 0}
    every = complete(client, n=4, **fields).choices

    def likelihood(choice: Any) -> float:
        return float(sum(choice.logprobs.token_logprobs)) / len(choice.logprobs.token_logprobs)

    best = complete(client, best_of=4, n=2, **fields).choices
    assert [choice.text for choice in best] == [
        choice.text for choice in sorted(every, key=likelihood, reverse=True)[:2]
    ]


def test_a_bias_bans_and_forces(client: OpenAI, smollm2_gguf: Path) -> None:
    [paris] = open_tokenizer(smollm2_gguf).encode(" Paris", control=True)
    [rome] = open_tokenizer(smollm2_gguf).encode(" Rome", control=True)
    assert "Paris" in chat(client, max_tokens=8).choices[0].message.content
    assert "Paris" not in chat(client, max_tokens=8, logit_bias={str(paris): -100}).choices[0].message.content
    forced = chat(client, max_tokens=3, logit_bias={str(rome): 100})
    assert forced.choices[0].message.content == " Rome Rome Rome"
    allowed = chat(client, max_tokens=5, temperature=2, extra_body={"allowed_token_ids": [rome, paris]})
    assert set(allowed.choices[0].message.content.split()) <= {"Rome", "Paris"}


def test_an_answer_goes_on_for_the_least_tokens(client: OpenAI) -> None:
    plain = chat(client, max_tokens=40)
    assert plain.choices[0].finish_reason == "stop"
    longer = chat(client, max_tokens=40, extra_body={"min_tokens": 15})
    assert plain.usage.completion_tokens < 15 <= longer.usage.completion_tokens
    endless = chat(client, max_tokens=20, extra_body={"ignore_eos": True, "skip_special_tokens": False})
    assert endless.usage.completion_tokens == 20
    assert "<|im_end|>" in endless.choices[0].message.content


@pytest.mark.parametrize(
    ("fields", "texts"),
    [
        ({"guided_choice": ["Paris", "Rome"]}, {"Paris", "Rome"}),
        ({"structured_outputs": {"regex": "(yes|no)!"}}, {"yes!", "no!"}),
        ({"guided_grammar": 'start: "a" | "b"'}, {"a", "b"}),
    ],
    ids=str,
)
def test_forms(client: OpenAI, fields: dict[str, Any], texts: set[str]) -> None:
    answer = chat(client, extra_body=fields, logprobs=True)
    [choice] = answer.choices
    assert choice.message.content in texts
    assert "".join(one.token for one in choice.logprobs.content) == choice.message.content


def test_json_that_is_cut(client: OpenAI) -> None:
    fields = {"response_format": {"type": "json_object"}, "max_tokens": 5}
    whole = chat(client, **fields).choices[0]
    streamed = [chunk.choices[0] for chunk in chat(client, stream=True, **fields)]
    assert whole.finish_reason == "length"
    assert "".join(choice.delta.content or "" for choice in streamed) == whole.message.content
    assert whole.message.content.startswith("{")
    with pytest.raises(json.JSONDecodeError):
        json.loads(whole.message.content)
