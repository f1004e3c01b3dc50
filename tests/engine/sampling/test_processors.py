"""What changes single logits: as vLLM's logits processors do it, and never the model's own row."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fireside.engine.sampling.processors import PROCESSORS, Setup, processors_for
from fireside.engine.sampling.sampler import Sampler
from fireside.engine.types import Sampling

VOCAB = 50


def random_logits(seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 3, VOCAB).astype(np.float32)


def test_a_plain_request_has_no_steps() -> None:
    assert (
        processors_for(Setup(Sampling(seed=1, temperature=0.3, top_k=4, top_p=0.5, min_p=0.1), [1], [2], VOCAB)) == []
    )


def test_every_step_leaves_the_row_as_it_was() -> None:
    sampling = Sampling(
        repetition_penalty=1.3, frequency_penalty=1, logit_bias={3: 5.0}, allowed_ids=[3, 4, 5], min_tokens=2
    )
    processors = processors_for(Setup(sampling, [3, 4], [5], VOCAB))
    assert [type(processor) for processor in processors] == list(PROCESSORS)
    logits = random_logits(0)
    for processor in processors:
        before = logits.copy()
        processor.observe(4)
        changed = processor.apply(logits)
        np.testing.assert_array_equal(logits, before)
        assert changed.dtype == np.float32
        assert (changed != logits).any()


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_a_bias_is_added(temperature: float) -> None:
    logits = random_logits(1)
    bias = {7: 2.5, 8: -100.0, 9: 0.5}
    biased = logits.copy()
    for token, value in bias.items():
        biased[token] += np.float32(value)
    for seed in range(50):
        with_bias = Sampler(Sampling(temperature=temperature, seed=seed, logit_bias=bias), [], VOCAB)
        without = Sampler(Sampling(temperature=temperature, seed=seed), [], VOCAB)
        assert with_bias.choose(logits) == without.choose(biased)


def test_a_bias_bans_and_forces() -> None:
    logits = random_logits(2)
    best = int(logits.argmax())
    worst = int(logits.argmin())
    assert Sampler(Sampling(temperature=0, logit_bias={best: -100}), [], VOCAB).choose(logits) != best
    assert Sampler(Sampling(temperature=1, logit_bias={worst: 100}, seed=3), [], VOCAB).choose(logits) == worst


def test_only_allowed_ids_are_chosen() -> None:
    for seed in range(50):
        sampler = Sampler(Sampling(temperature=5, seed=seed, allowed_ids=[1, 48]), [], VOCAB)
        assert sampler.choose(random_logits(seed)) in (1, 48)


@pytest.mark.parametrize("temperature", [0.0, 5.0])
def test_stop_tokens_are_held_back(temperature: float) -> None:
    logits = random_logits(3)
    stops = np.argsort(-logits)[:3].tolist()
    sampler = Sampler(Sampling(temperature=temperature, seed=1, min_tokens=4), [], VOCAB, stops)
    made = [sampler.choose(logits) for _ in range(4)]
    assert not set(made) & set(stops)
    if temperature == 0:
        assert sampler.choose(logits) == stops[0]


def test_a_stop_token_is_chosen_where_nothing_else_is_allowed() -> None:
    sampler = Sampler(Sampling(temperature=1, seed=1, min_tokens=9), [], VOCAB, [7])
    assert sampler.choose(random_logits(4), np.array([7])) == 7
