"""The next token is chosen as transformers' logits processors and OpenAI's formula say, whatever the logits."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

from fireside.engine.sampling.sampler import Sampler, scores
from fireside.engine.sampling.truncations import FIRST_CANDIDATES
from fireside.engine.types import Sampling
from fireside.errors import EngineFailed

VOCAB = 600
PROMPT = [3, 7, 7, 500]
LAST_SEED = 47408


def random_logits(seed: int = 0, vocab: int = VOCAB) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 3, vocab).astype(np.float32)


def draws(sampling: dict[str, Any], logits: NDArray[np.float32], count: int, prompt: list[int]) -> list[int]:
    """First tokens of `count` requests with seeds 0, 1, 2, ..."""
    return [Sampler(Sampling(seed=seed, **sampling), prompt, len(logits)).choose(logits) for seed in range(count)]


def reference(sampling: dict[str, Any], logits: NDArray[np.float32], prompt: list[int]) -> NDArray[np.float64]:
    """Probabilities that transformers gives the first token."""
    steps = LogitsProcessorList()
    if (penalty := sampling.get("repetition_penalty", 1.0)) != 1.0:
        steps.append(RepetitionPenaltyLogitsProcessor(penalty))
    steps.append(TemperatureLogitsWarper(sampling["temperature"]))
    if min_p := sampling.get("min_p"):
        steps.append(MinPLogitsWarper(min_p))
    if top_k := sampling.get("top_k"):
        steps.append(TopKLogitsWarper(top_k))
    if (top_p := sampling.get("top_p", 1.0)) < 1:
        steps.append(TopPLogitsWarper(top_p))
    if (typical_p := sampling.get("typical_p", 1.0)) < 1:
        steps.append(TypicalLogitsWarper(typical_p))
    scores = steps(torch.LongTensor([prompt]), torch.from_numpy(logits[None].copy()))[0]
    result: NDArray[np.float64] = torch.softmax(scores.double(), dim=-1).numpy()
    return result


SAMPLINGS: dict[str, dict[str, Any]] = {
    "temperature": {"temperature": 0.7},
    "hot": {"temperature": 5.0},
    "top-k": {"temperature": 0.9, "top_k": 5},
    "top-p": {"temperature": 0.6, "top_p": 0.9},
    "top-p over most of the vocabulary": {"temperature": 4.0, "top_p": 0.95},
    "top-p of almost nothing": {"temperature": 1.0, "top_p": 0.01},
    "top-p of what top-k left": {"temperature": 1.0, "top_k": 8, "top_p": 0.7},
    "min-p": {"temperature": 1.5, "min_p": 0.2},
    "typical": {"temperature": 1.0, "typical_p": 0.6},
    "typical, hot": {"temperature": 2.0, "typical_p": 0.2},
    "top-k, then typical": {"temperature": 1.0, "top_k": 20, "typical_p": 0.7},
    "top-p, then typical": {"temperature": 1.2, "top_p": 0.8, "typical_p": 0.5},
    "min-p, then top-k and top-p": {"temperature": 1.5, "min_p": 0.15, "top_k": 30, "top_p": 0.9},
    "repetition penalty before temperature": {"temperature": 0.5, "repetition_penalty": 1.7},
    "repetition reward": {"temperature": 1.0, "repetition_penalty": 0.6},
    "all": {"temperature": 1.2, "repetition_penalty": 1.3, "top_k": 40, "top_p": 0.8},
}


@pytest.mark.parametrize("sampling", SAMPLINGS.values(), ids=SAMPLINGS.keys())
def test_draws_are_distributed_as_in_transformers(sampling: dict[str, Any]) -> None:
    logits = random_logits()
    # Tokens of the prompt must be likely ones, of either sign, for the penalty to be seen.
    prompt = [int(token) for token in np.argsort(-logits)[[0, 2, 500]]]
    expected = reference(sampling, logits, prompt)
    made = draws(sampling, logits, 1000, prompt)
    assert {token for token in made if expected[token] == 0} == set(), "a token that is cut off was drawn"
    assert_chi_square(np.bincount(made, minlength=VOCAB), expected)


def assert_chi_square(counts: NDArray[np.int64], probabilities: NDArray[np.float64]) -> None:
    """Pearson's test; tokens too rare to be judged alone are judged together. The draws' seeds are fixed, so that this
    either always holds or never."""
    total = counts.sum()
    order = np.argsort(-probabilities)
    counts, expected = counts[order], probabilities[order] * total
    single = int((expected >= 10).sum())
    bins = [(counts[i], expected[i]) for i in range(single)]
    if expected[single:].sum() >= 5:
        bins.append((counts[single:].sum(), expected[single:].sum()))
    statistic = sum((count - mean) ** 2 / mean for count, mean in bins)
    freedom = len(bins) - 1
    # Far beyond the 99.9 % point of the chi-square distribution, by its normal approximation.
    assert statistic <= freedom + 4 * np.sqrt(2 * freedom), f"{statistic} with {freedom} degrees of freedom"


@pytest.mark.parametrize("sampling", [{"top_p": 0.9}, {"top_k": 50}, {"top_k": 50, "top_p": 0.5}], ids=str)
def test_the_last_token_that_is_left_is_that_of_transformers(sampling: dict[str, Any]) -> None:
    assert np.random.Generator(np.random.PCG64(LAST_SEED)).random() > 0.9999, "this seed must draw the last token"
    for seed in range(20):
        logits = random_logits(seed)
        probabilities = reference({"temperature": 1.0, **sampling}, logits, PROMPT)
        last = int(np.where(probabilities > 0, probabilities, 2).argmin())
        sampler = Sampler(Sampling(temperature=1.0, seed=LAST_SEED, **sampling), PROMPT, VOCAB)
        assert sampler.choose(logits) == last


@pytest.mark.parametrize("count", [0, 1, 2, 30])
def test_penalties_of_openai(count: int) -> None:
    """https://platform.openai.com/docs/guides/text-generation: mu[j] - c[j] * frequency - (c[j] > 0) * presence."""
    frequency, presence = 0.4, 1.5
    logits = np.zeros(10, np.float32)
    logits[4] = gap = 0.4 * count + 1.5 * (count > 0)
    for nudge, expected in ((+0.01, 4), (-0.01, 0)):
        sampler = Sampler(
            Sampling(temperature=0, frequency_penalty=frequency, presence_penalty=presence), [4, 4, 0, 0], 10
        )
        for _ in range(count):
            sampler.observe(4)
        logits[4] = gap + nudge
        assert sampler.choose(logits) == expected, "the prompt's tokens must not count, the answer's must"


def test_negative_penalties_are_rewards() -> None:
    sampler = Sampler(Sampling(temperature=0, frequency_penalty=-0.5), [], 3)
    sampler.observe(2)
    assert sampler.choose(np.array([0.4, 0, 0], np.float32)) == 2


def test_repetition_penalty_counts_prompt_and_answer() -> None:
    """CTRL's, by the sign of the logit, as transformers has it."""
    logits = np.array([1.0, 2.0, -1.0, -3.0], np.float32)
    prompt = [1]
    for step in range(4):
        sampler = Sampler(Sampling(temperature=0, repetition_penalty=2.5), prompt[:1], 4)
        for token in prompt[1:]:
            sampler.observe(token)
        chosen = sampler.choose(logits)
        processed = RepetitionPenaltyLogitsProcessor(2.5)(torch.tensor([prompt]), torch.from_numpy(logits[None].copy()))
        assert chosen == int(processed.argmax()), f"step {step}"
        prompt.append(chosen)
    assert len(set(prompt)) > 1


FINITE = st.floats(-1e4, 1e4, width=32)
SAMPLING = st.builds(
    Sampling,
    temperature=st.one_of(st.just(0.0), st.floats(0, 5), st.sampled_from([5e-324, 1e-46, 1e-38, 1e-5])),
    top_p=st.one_of(st.just(1.0), st.floats(0, 2)),
    top_k=st.integers(0, 50),
    seed=st.one_of(st.none(), st.integers(0, 9_999_999_999)),
    repetition_penalty=st.one_of(st.sampled_from([0.0, 1.0, 5e-324, 1e-40]), st.floats(0, 2)),
    frequency_penalty=st.one_of(st.just(0.0), st.floats(-2, 2)),
    presence_penalty=st.one_of(st.just(0.0), st.floats(-2, 2)),
    min_p=st.one_of(st.just(0.0), st.floats(0, 1)),
    typical_p=st.one_of(st.just(1.0), st.floats(0.01, 1)),
    min_tokens=st.integers(0, 2),
)


def rows(elements: st.SearchStrategy[float]) -> st.SearchStrategy[NDArray[np.float32]]:
    return arrays(np.float32, st.integers(1, 400), elements=elements, fill=st.sampled_from([0.0, -1.5]))


@given(rows(FINITE), SAMPLING, st.data())
def test_any_sampling_of_any_logits_gives_a_token(
    logits: NDArray[np.float32], sampling: Sampling, data: st.DataObject
) -> None:
    before = logits.copy()
    prompt = data.draw(st.lists(st.integers(0, len(logits) - 1), max_size=5))
    sampler = Sampler(sampling, prompt, len(logits))
    for _ in range(3):
        token = sampler.choose(logits)
        assert 0 <= token < len(logits)
        sampler.observe(token)
    np.testing.assert_array_equal(logits, before)


@given(rows(FINITE), st.integers(0, 2**63))
def test_all_ways_to_be_greedy(logits: NDArray[np.float32], seed: int) -> None:
    best = int(logits.argmax())  # of equal logits the one of the lowest id
    for sampling in (
        Sampling(temperature=0),
        Sampling(temperature=0, top_k=3, top_p=0.5, seed=seed),
        Sampling(temperature=1e-300, seed=seed),
        Sampling(temperature=3.0, top_k=1, seed=seed),
        Sampling(temperature=0.8, top_p=0.0, seed=seed),
        Sampling(temperature=0, repetition_penalty=0.0),
    ):
        assert Sampler(sampling, [0], len(logits)).choose(logits) == best, sampling


@settings(max_examples=50)
@given(st.integers(1, 60), st.integers(1, 49), st.integers(0, 1000))
def test_of_equal_logits_top_k_keeps_the_lowest_ids(equal: int, top_k: int, seed: int) -> None:
    logits = np.full(300, -5, np.float32)
    ids = np.random.default_rng(seed).permutation(300)[:equal]
    logits[ids] = 2
    allowed = set(sorted(ids.tolist())[:top_k])
    if equal < top_k:
        allowed |= set(sorted(set(range(300)) - set(ids.tolist()))[: top_k - equal])
    assert set(draws({"temperature": 5.0, "top_k": top_k}, logits, 10, [])) <= allowed


@pytest.mark.parametrize("vocab", [1, 2, FIRST_CANDIDATES - 1, FIRST_CANDIDATES, FIRST_CANDIDATES + 1, 5000])
@pytest.mark.parametrize("top_p", [0.5, 0.9, 0.999999])
def test_flat_logits_need_more_than_the_first_candidates(vocab: int, top_p: float) -> None:
    made = draws({"temperature": 1.0, "top_p": top_p}, np.zeros(vocab, np.float32), 200, [])
    kept = int(np.ceil(vocab * top_p))
    assert max(made) < kept
    if kept > 2 * FIRST_CANDIDATES:
        assert max(made) > FIRST_CANDIDATES


def test_a_seed_reproduces_an_answer_and_seeds_differ() -> None:
    def answer(seed: int | None) -> list[int]:
        sampler = Sampler(Sampling(temperature=1.5, seed=seed), PROMPT, VOCAB)
        return [sampler.choose(random_logits(step)) for step in range(30)]

    assert answer(9_999_999_999) == answer(9_999_999_999)
    assert answer(0) == answer(0)
    assert len({tuple(answer(seed)) for seed in (0, 1, 2, None, None)}) == 5


@pytest.mark.parametrize(("setting", "left"), [({}, VOCAB), ({"top_k": 5}, 5), ({"top_p": 0.5}, VOCAB / 2)], ids=str)
def test_every_token_takes_one_random_number(setting: dict[str, Any], left: float) -> None:
    """Whatever cuts were made before, the fourth token hangs on the fourth number of the seed's stream."""
    sampler = Sampler(Sampling(temperature=1.0, seed=7, **setting), [], VOCAB)
    for step in range(3):
        sampler.choose(random_logits(step))
    number = np.random.Generator(np.random.PCG64(7)).random(4)[3]
    assert sampler.choose(np.zeros(VOCAB, np.float32)) == int(number * left)


BAD = {
    "a NaN": [0.0, np.nan, 1.0, 2.0],
    "only NaN": [np.nan] * 4,
    "infinity": [0.0, np.inf, 1.0, 2.0],
    "two infinities": [np.inf, np.inf, 0.0, 0.0],
    "nothing allowed": [-np.inf] * 4,
    "NaN beside infinity": [np.nan, np.inf, -np.inf, 0.0],
}


@pytest.mark.parametrize("logits", BAD.values(), ids=BAD.keys())
@given(SAMPLING)
@settings(max_examples=20)
def test_logits_that_are_no_numbers_are_refused(logits: list[float], sampling: Sampling) -> None:
    sampler = Sampler(sampling, [0, 1], 4)
    with pytest.raises(EngineFailed, match="not a finite number"):
        sampler.choose(np.array(logits, np.float32))


@given(SAMPLING)
def test_a_token_at_minus_infinity_is_never_chosen(sampling: Sampling) -> None:
    logits = np.array([-np.inf, 1, -np.inf, 0.5, -np.inf], np.float32)
    sampler = Sampler(sampling, [0, 1], 5)
    assert {sampler.choose(logits) for _ in range(5)} <= {1, 3}


def test_huge_logits_do_not_overflow() -> None:
    biggest = np.finfo(np.float32).max
    logits = np.array([-biggest, biggest, 0, biggest], np.float32)
    assert set(draws({"temperature": 0.5}, logits, 30, [])) == {1, 3}


@pytest.mark.parametrize("name", SAMPLINGS)
def test_only_allowed_tokens_are_drawn_as_if_there_were_no_others(name: str) -> None:
    logits = random_logits()
    allowed = np.flatnonzero(np.arange(VOCAB) % 7 == 3)
    barred = np.full(VOCAB, -np.inf, dtype=np.float32)
    barred[allowed] = logits[allowed]
    for seed in range(50):
        sampling = Sampling(seed=seed, **SAMPLINGS[name])
        token = Sampler(sampling, PROMPT, VOCAB).choose(logits, allowed)
        assert token in allowed
        assert token == Sampler(sampling, PROMPT, VOCAB).choose(barred)


def test_penalties_know_allowed_tokens_by_their_ids() -> None:
    logits = np.zeros(VOCAB, dtype=np.float32)
    logits[[5, 6]] = 2, 1
    sampler = Sampler(Sampling(temperature=0, presence_penalty=1.5), PROMPT, VOCAB)
    assert [sampler.choose(logits, np.array([5, 6, 7])) for _ in range(3)] == [5, 6, 5]


@given(rows(FINITE), st.integers(0, 25), st.data())
def test_scores_are_the_models_own(logits: NDArray[np.float32], count: int, data: st.DataObject) -> None:
    token = data.draw(st.integers(0, len(logits) - 1))
    expected = torch.log_softmax(torch.from_numpy(logits).double(), dim=-1).numpy()
    scored = scores(logits, token, count)
    assert scored.logprob == pytest.approx(max(expected[token], -9999), abs=1e-3)
    assert [id for id, _ in scored.best] == np.argsort(-logits, kind="stable")[:count].tolist()
    for id, logprob in scored.best:
        assert logprob == pytest.approx(max(expected[id], -9999), abs=1e-3)
