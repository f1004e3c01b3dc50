"""How likely the model found what was said: as torch has it, at no cost to the answer."""

from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from numpy.typing import NDArray

from fireside.engine.types import GenerationRequest, Sampling, Token, unpack_scores
from support.checkpoints import make_tiny_checkpoint
from support.reference import Reference
from support.running import answers, ids, open_runner, run

PROMPT = np.random.default_rng(0).integers(0, 1001, 150).tolist()
PLAIN = GenerationRequest(prompt_ids=PROMPT, max_tokens=6, sampling=Sampling(temperature=0.9, seed=4))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    worths[folder] = make_tiny_checkpoint(folder, vocab=1001)
    return folder


worths: dict[Path, dict[str, NDArray[np.float32]]] = {}


def logprobs(folder: Path, tokens: list[int]) -> NDArray[np.float64]:
    """Of each next token, [tokens, vocab]."""
    logits = Reference(folder, worths[folder]).logits(tokens)
    result: NDArray[np.float64] = torch.log_softmax(torch.from_numpy(logits).double(), dim=-1).numpy()
    return result


def test_the_answers_scores_are_those_of_the_model(folder: Path) -> None:
    request = replace(PLAIN, scores=5)
    [made] = run(open_runner(folder, exact=True), [request])
    expected = logprobs(folder, PROMPT + ids(made))[len(PROMPT) - 1 :]
    for token, row in zip(made, expected, strict=False):
        assert token.scores is not None
        assert token.scores.logprob == pytest.approx(row[token.id], abs=2e-3)
        assert [id for id, _ in token.scores.best] == np.argsort(-row)[:5].tolist()
        for id, logprob in token.scores.best:
            assert logprob == pytest.approx(row[id], abs=2e-3)


def test_the_prompts_scores_are_those_of_the_model(folder: Path) -> None:
    request = replace(PLAIN, scores=3, score_prompt=True)
    [made] = run(open_runner(folder, exact=True), [request])
    told = unpack_scores(made[0].prompt)
    assert len(told) == len(PROMPT) - 1
    assert all(not token.prompt for token in made[1:])
    for scored, token, row in zip(told, PROMPT[1:], logprobs(folder, PROMPT), strict=False):
        assert scored.logprob == pytest.approx(row[token], abs=2e-3)
        assert [id for id, _ in scored.best] == np.argsort(-row)[:3].tolist()


def test_a_prompt_of_one_token_has_no_scores(folder: Path) -> None:
    request = replace(PLAIN, prompt_ids=PROMPT[:1], scores=3, score_prompt=True)
    [made] = run(open_runner(folder), [request])
    assert made[0].prompt == b""


def test_scores_change_no_answer(folder: Path) -> None:
    plain = [
        replace(PLAIN, prompt_ids=PROMPT[: 40 + index], sampling=sampling)
        for index, sampling in enumerate(
            (Sampling(temperature=0), Sampling(temperature=0.8, seed=1), Sampling(temperature=1, seed=2, top_p=0.8))
        )
    ]
    expected = answers(open_runner(folder), plain)
    assert answers(open_runner(folder), [replace(request, scores=2) for request in plain]) == expected
    assert (
        answers(open_runner(folder), [replace(request, scores=0, score_prompt=True) for request in plain]) == expected
    )
    mixed = [replace(plain[0], scores=1), plain[1], replace(plain[2], scores=4, score_prompt=True)]
    assert answers(open_runner(folder), mixed, stagger=2) == expected


def test_a_scored_prompt_is_computed_again_and_can_be_reused(folder: Path) -> None:
    runner = open_runner(folder)
    scoring = replace(PLAIN, scores=0, score_prompt=True)
    [first], [second], [third] = (run(runner, [request]) for request in (PLAIN, scoring, PLAIN))
    assert (first[0].reused, second[0].reused) == (0, 0)
    assert len(unpack_scores(second[0].prompt)) == len(PROMPT) - 1
    assert third[0].reused >= len(PROMPT) - 2


def test_nothing_is_told_that_was_not_asked_for(folder: Path) -> None:
    [made] = run(open_runner(folder), [PLAIN])
    assert all((token.scores, token.prompt) == (None, b"") for token in made)


def test_least_tokens(folder: Path) -> None:
    runner = open_runner(folder)
    [free] = run(runner, [replace(PLAIN, sampling=Sampling(temperature=0))])
    stops = [free[0].id, free[2].id]
    [stopped] = run(runner, [replace(PLAIN, sampling=Sampling(temperature=0), stop_ids=stops)])
    assert stopped == [Token(stops[0], "stop", reused=stopped[0].reused)]
    held = Sampling(temperature=0, min_tokens=4)
    [made] = run(runner, [replace(PLAIN, sampling=held, stop_ids=stops)])
    assert not set(ids(made)[:4]) & set(stops)
