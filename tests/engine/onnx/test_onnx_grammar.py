"""A model that knows nothing, held to a grammar: its answers fit, and nobody else's change."""

import json
import threading
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fireside.engine.onnx.runner import OnnxRunner
from fireside.engine.types import GenerationRequest, Sampling, Token
from fireside.errors import BadGrammar, ConstraintNotMet, EngineFailed
from support.checkpoints import make_tiny_checkpoint
from support.grammars import BYTES, STOP, json_grammar, regex_grammar
from support.running import answers, ids, open_runner, outcomes, run, tokens_of

PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 8},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "tags": {"type": "array", "items": {"enum": ["a", "b", 3, None]}, "maxItems": 3},
        "home": {"anyOf": [{"type": "boolean"}, {"$ref": "#/$defs/point"}]},
    },
    "required": ["name", "age", "tags", "home"],
    "$defs": {
        "point": {
            "type": "object",
            "properties": {"x": {"type": "number", "multipleOf": 0.5, "minimum": 0, "maximum": 9}},
            "required": ["x"],
        }
    },
}
SAMPLINGS = [
    Sampling(temperature=0),
    Sampling(temperature=1.0, seed=1),
    Sampling(temperature=1.5, seed=2, top_k=5),
    Sampling(temperature=1.0, seed=3, top_p=0.5),
    Sampling(temperature=0, repetition_penalty=1.3),
    Sampling(temperature=5.0, seed=4, frequency_penalty=0.5, presence_penalty=0.5),
]
VOCAB = 300
"""More logits than tokens, as models have them whose vocabulary is rounded up."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rambler")
    make_tiny_checkpoint(folder, vocab=VOCAB)
    return folder


def open_model(folder: Path, **options: Any) -> OnnxRunner:
    return open_runner(folder, tokens=BYTES, **options)


def ask(
    grammar: str | None, sampling: Sampling = SAMPLINGS[1], *, prompt: str = "Go!", most: int = 300
) -> GenerationRequest:
    return GenerationRequest(
        prompt_ids=list(prompt.encode()), max_tokens=most, sampling=sampling, stop_ids=[STOP], grammar=grammar
    )


def text_of(tokens: list[Token]) -> str:
    assert tokens[-1] == Token(STOP, "stop")
    return bytes(ids(tokens[:-1])).decode()


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=repr)
def test_every_way_of_sampling_keeps_to_the_schema(folder: Path, sampling: Sampling) -> None:
    (tokens,) = run(open_model(folder), [ask(json_grammar(PERSON), sampling)])
    jsonschema.validate(json.loads(text_of(tokens)), PERSON)


def test_seeds_give_different_answers_that_all_fit(folder: Path) -> None:
    requests = [ask(json_grammar(PERSON), Sampling(temperature=1.0, seed=seed)) for seed in range(12)]
    said = [text_of(tokens) for tokens in run(open_model(folder), requests)]
    for text in said:
        jsonschema.validate(json.loads(text), PERSON)
    assert len(set(said)) == len(said)


def test_an_answer_does_not_depend_on_its_neighbours_grammars_or_none(folder: Path) -> None:
    grammars = [json_grammar(PERSON), None, regex_grammar("[a-f]{5,40}"), None, json_grammar(PERSON), None]
    requests = [
        ask(grammar, sampling, prompt="x" * (1 + 40 * index), most=80 if grammar is None else 300)
        for index, (grammar, sampling) in enumerate(zip(grammars, SAMPLINGS, strict=True))
    ]
    alone = [answers(open_model(folder), [request])[0] for request in requests]
    assert answers(open_model(folder), requests) == alone
    assert answers(open_model(folder), requests[::-1], stagger=2)[::-1] == alone
    assert answers(open_model(folder, max_num_seqs=2), requests) == alone


def test_a_pattern_is_met(folder: Path) -> None:
    (tokens,) = run(open_model(folder), [ask(regex_grammar(r"\d{3}-[a-c]{4}"))])
    digits, letters = text_of(tokens).split("-")
    assert (len(digits), len(letters)) == (3, 4)
    assert digits.isdigit()
    assert set(letters) <= set("abc")


def test_the_end_costs_no_token_once_nothing_can_follow(folder: Path) -> None:
    (tokens,) = run(open_model(folder), [ask(regex_grammar("abc"), most=3)])
    assert tokens == [*map(Token, b"abc"), Token(STOP, "stop")]


def test_an_answer_that_fits_already_is_cut_like_any_other(folder: Path) -> None:
    (tokens,) = run(open_model(folder), [ask(regex_grammar("a[a]*"), most=3)])
    assert tokens[-1] in (Token(ord("a"), "length"), Token(STOP, "stop"))
    (tokens,) = run(open_model(folder), [ask(regex_grammar("a{2,9}"), Sampling(temperature=0), most=2)])
    assert tokens == [Token(ord("a")), Token(ord("a"), "length")]


@pytest.mark.parametrize("most", [1, 2, 10])
def test_an_answer_cut_in_the_middle_fails_after_its_last_token(folder: Path, most: int) -> None:
    runner = open_model(folder)
    made = outcomes(runner, [ask(json_grammar(PERSON), most=most), ask(None, most=20)])
    *tokens, cut = made[0]
    assert isinstance(cut, ConstraintNotMet)
    assert [token.finish_reason for token in tokens_of(tokens)] == [None] * most
    assert made[1] == run(open_model(folder), [ask(None, most=20)])[0]
    assert not runner.busy


def test_a_grammar_that_cannot_be_used_fails_its_own_request_alone(folder: Path) -> None:
    runner = open_model(folder)
    good, bad, plain = outcomes(runner, [ask(regex_grammar("abc")), ask(regex_grammar("(")), ask(None, most=5)])
    assert text_of(tokens_of(good)) == "abc"
    assert [type(outcome) for outcome in bad] == [BadGrammar]
    assert len(plain) == 5
    assert not runner.busy


def test_a_request_leaves_while_its_grammar_is_compiled(folder: Path) -> None:
    runner = open_model(folder)
    for number in range(3):
        runner.submit(number, ask(json_grammar({"const": number})))
        runner.cancel(number)
    assert not runner.busy
    (tokens,) = run(runner, [ask(json_grammar({"const": 7}))])
    assert text_of(tokens) == "7"


def test_others_go_on_while_a_grammar_is_compiled(folder: Path) -> None:
    runner = open_model(folder)
    held = threading.Event()
    runner._grammars._lanes.submit("", held.wait)
    runner.submit(0, ask(regex_grammar("abc")))
    runner.submit(1, ask(None, most=4))
    made: list[int] = []
    while len(made) < 4:
        made += [number for number, _ in runner.step()]
    assert made == [1, 1, 1, 1]
    assert runner.stats().waiting == 1
    held.set()
    while runner.busy:
        made += [number for number, _ in runner.step()]
    assert made[4:] == [0, 0, 0, 0]


def test_without_knowing_its_tokens_an_engine_follows_no_grammar(folder: Path) -> None:
    (made,) = outcomes(open_runner(folder), [ask(regex_grammar("a"))])
    assert [type(outcome) for outcome in made] == [EngineFailed]
