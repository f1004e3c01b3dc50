"""Scheduling: whatever runs beside it, before it or instead of it, a request gets the same answer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fireside.engine.onnx.kv_cache import bytes_per_token
from fireside.engine.onnx.model_runner import DecodeInput
from fireside.engine.onnx.runner import OnnxRunner
from fireside.engine.types import GenerationRequest, Sampling, Token
from fireside.weights.open import open_checkpoint
from support.checkpoints import make_tiny_checkpoint
from support.running import answers, ids, open_runner, run

VOCAB = 1001
SAMPLINGS = [
    Sampling(temperature=0),
    Sampling(temperature=0.7, seed=1),
    Sampling(temperature=1.0, seed=2, top_p=0.9),
    Sampling(temperature=1.5, seed=3, top_k=7),
    Sampling(temperature=0, repetition_penalty=1.3),
    Sampling(temperature=1.0, seed=4, frequency_penalty=0.8, presence_penalty=0.4),
    Sampling(temperature=2.0, seed=5),
]


@dataclass(frozen=True)
class Model:
    folder: Path

    def open(self, **options: Any) -> OnnxRunner:
        return open_runner(self.folder, **options)


@pytest.fixture(scope="module", params=["f32", "awq"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp(request.param)
    group = 128 if request.param == "awq" else None
    make_tiny_checkpoint(folder, awq_group=group, hidden=256, inner=512, heads=4, kv_heads=2, head_dim=64, vocab=VOCAB)
    return Model(folder)


def prompt(length: int, seed: int = 0) -> list[int]:
    return [int(token) for token in np.random.default_rng(seed).integers(0, VOCAB, length)]


def requests() -> list[GenerationRequest]:
    lengths = (1, 7, 30, 64, 65, 130, 301)
    return [
        GenerationRequest(prompt_ids=prompt(length, length), max_tokens=10 + index, sampling=sampling)
        for index, (length, sampling) in enumerate(zip(lengths, SAMPLINGS, strict=True))
    ]


def test_an_answer_does_not_depend_on_its_neighbours(model: Model) -> None:
    alone = [run(model.open(), [request])[0] for request in requests()]
    assert run(model.open(), requests()) == alone
    assert run(model.open(), requests(), stagger=3) == alone
    assert run(model.open(), requests()[::-1], stagger=1) == alone[::-1]
    assert run(model.open(max_num_seqs=3), requests()) == alone
    assert [len(tokens) for tokens in alone] == [request.max_tokens for request in requests()]


def test_an_answer_does_not_depend_on_the_cache(model: Model) -> None:
    """A prompt that is found in the cache, whole or in part, gives what a fresh one gives."""
    base = prompt(90)
    longer = GenerationRequest(prompt_ids=[*base, *prompt(33, 1)], max_tokens=12, sampling=SAMPLINGS[1])
    other = GenerationRequest(prompt_ids=[*base[:40], *prompt(20, 2)], max_tokens=12, sampling=SAMPLINGS[2])
    fresh = [run(model.open(), [request])[0] for request in (longer, other)]
    runner = model.open()
    run(runner, [GenerationRequest(prompt_ids=base, max_tokens=1)])
    assert ids(run(runner, [longer])[0]) == ids(fresh[0])
    assert [*map(ids, run(runner, [longer, other, longer]))] == [*map(ids, (fresh[0], fresh[1], fresh[0]))]
    assert runner.stats().reused_tokens >= 90 + 122 + 40


def test_the_next_turn_prefills_only_what_is_new(model: Model) -> None:
    runner = model.open()
    first = GenerationRequest(prompt_ids=prompt(100), max_tokens=20, sampling=Sampling(temperature=0))
    (answer,) = run(runner, [first])
    assert [token.reused for token in answer] == [0] * 20
    turn = [*first.prompt_ids, *ids(answer), *prompt(15, 1)]
    (second,) = run(runner, [GenerationRequest(prompt_ids=turn, max_tokens=5)])
    # The answer's last token was chosen but never computed.
    assert runner.stats().reused_tokens == 100 + 20 - 1
    assert [token.reused for token in second] == [100 + 20 - 1, 0, 0, 0, 0]


def test_accounts_share_no_prefix(model: Model) -> None:
    runner = model.open()
    for account in ("one", "two"):
        run(runner, [GenerationRequest(prompt_ids=prompt(100), max_tokens=2, account=account)])
    assert runner.stats().reused_tokens == 0
    run(runner, [GenerationRequest(prompt_ids=prompt(100), max_tokens=2, account="one")])
    assert runner.stats().reused_tokens == 99


def test_without_a_seed_answers_differ(model: Model) -> None:
    request = GenerationRequest(prompt_ids=prompt(5), max_tokens=20, sampling=Sampling(temperature=1.5))
    first, second = run(model.open(), [request, request])
    assert ids(first) != ids(second)


def test_stop_tokens_end_an_answer(model: Model) -> None:
    greedy = GenerationRequest(prompt_ids=prompt(9), max_tokens=30, sampling=Sampling(temperature=0))
    (full,) = run(model.open(), [greedy])
    stop = full[6].id
    end = ids(full).index(stop)
    stopped = GenerationRequest(prompt_ids=prompt(9), max_tokens=30, sampling=Sampling(temperature=0), stop_ids=[stop])
    assert run(model.open(), [stopped])[0] == [*full[:end], Token(stop, "stop")]
    assert full[-1].finish_reason == "length"


def test_a_cancelled_request_leaves_at_once(model: Model) -> None:
    runner = model.open(max_num_seqs=2)
    expected = run(model.open(), requests()[:1])[0]
    for number in range(3):
        runner.submit(number, GenerationRequest(prompt_ids=prompt(300, number), max_tokens=100))
    runner.step()
    runner.cancel(2)  # waits for a row
    runner.cancel(1)  # waits for its prefill
    runner.step()
    runner.step()
    runner.cancel(0)  # runs
    assert not runner.busy
    assert runner.step() == []
    runner.cancel(0)
    assert run(runner, requests()[:1])[0] == expected


def test_requests_join_and_leave_between_steps(model: Model) -> None:
    runner = model.open(max_num_seqs=4)
    long = GenerationRequest(prompt_ids=prompt(8), max_tokens=60, sampling=Sampling(temperature=0))
    short = GenerationRequest(prompt_ids=prompt(300, 1), max_tokens=3, sampling=Sampling(temperature=0))
    runner.submit(0, long)
    runner.step()
    runner.submit(1, short)
    seen: list[int] = []
    while runner.busy:
        seen += [number for number, _ in runner.step()]
    first, last = seen.index(1), len(seen) - 1 - seen[::-1].index(1)
    assert seen[:first].count(0) >= 4, "a long prefill must not stop the others"
    assert seen[last:].count(0) > 10, "the short one must leave before the long one ends"


def test_a_full_cache_makes_requests_wait_not_fail(model: Model) -> None:
    config = open_checkpoint(model.folder).config
    runner = model.open(kv_memory=bytes_per_token(config) * 400, context=300)
    many = [GenerationRequest(prompt_ids=prompt(150, seed), max_tokens=20, sampling=SAMPLINGS[1]) for seed in range(5)]
    runner.submit(0, many[0])
    runner.submit(1, many[1])
    runner.submit(2, many[2])
    runner.step()
    assert (runner.stats().running, runner.stats().waiting) == (2, 1)
    while runner.busy:
        runner.step()
    assert answers(runner, many) == [answers(model.open(), [request])[0] for request in many]


@pytest.mark.parametrize("bad", [[], [VOCAB], [-1], [3, VOCAB + 5]])
def test_ids_outside_the_vocabulary_are_refused(model: Model, bad: list[int]) -> None:
    with pytest.raises(ValueError, match="vocabulary"):
        model.open().submit(0, GenerationRequest(prompt_ids=bad, max_tokens=1))


@pytest.mark.parametrize("bad", [Sampling(logit_bias={VOCAB: 1.0}), Sampling(allowed_ids=[3, VOCAB])], ids=str)
def test_sampling_of_ids_outside_the_vocabulary_is_refused(model: Model, bad: Sampling) -> None:
    with pytest.raises(ValueError, match="vocabulary"):
        model.open().submit(0, GenerationRequest(prompt_ids=[1], max_tokens=1, sampling=bad))


def test_a_free_request_beside_them_changes_nothing_for_the_others(model: Model) -> None:
    """Without a seed the last of an odd number of rows takes a quicker way; the rows before it do not notice."""
    free = GenerationRequest(prompt_ids=prompt(20, 9), max_tokens=40, sampling=Sampling(temperature=0.8))
    alone = [run(model.open(), [request])[0] for request in requests()[1:5]]
    for count in (1, 2, 3, 4):
        mixed = run(model.open(), [*requests()[1 : 1 + count], free])
        assert mixed[:-1] == alone[:count]
        assert run(model.open(), [free, *requests()[1 : 1 + count]])[1:] == alone[:count]


def test_what_a_free_request_left_is_reused_only_where_it_is_exact(model: Model) -> None:
    runner = model.open()
    free = GenerationRequest(prompt_ids=prompt(50), max_tokens=30, sampling=Sampling(temperature=0.8))
    (answer,) = run(runner, [free])
    conversation = [*free.prompt_ids, *ids(answer), *prompt(9, 1)]
    seeded = GenerationRequest(prompt_ids=conversation, max_tokens=12, sampling=SAMPLINGS[1])
    (expected,) = run(model.open(), [seeded])
    before = runner.stats().reused_tokens
    assert ids(run(runner, [seeded])[0]) == ids(expected)
    assert runner.stats().reused_tokens - before == 50
    again = GenerationRequest(prompt_ids=conversation, max_tokens=2, sampling=Sampling(temperature=0.8))
    run(runner, [again])
    assert runner.stats().reused_tokens - before >= 50 + 79


def test_leading_rows_of_an_odd_batch_are_bit_for_bit_those_of_an_even_one(model: Model) -> None:
    logits = []
    for count in (3, 4, 2):
        runner = model.open()._model
        for slot in range(count):
            runner.prefill(slot, 0, prompt(6, slot))
        inputs = [DecodeInput(slot, 6, 5 + slot) for slot in range(count)]
        logits.append(runner.decode(inputs, pad=False)[:2].copy())
    assert np.array_equal(logits[0], logits[1])
    assert np.array_equal(logits[0], logits[2])


def test_slots_between_those_that_decode_change_nothing_and_stay_as_they_are(model: Model) -> None:
    """Neither finished conversations nor empty slots nor a prompt that is half prefilled."""
    alone, among = model.open()._model, model.open()._model
    first, half = prompt(40, 1), prompt(64, 2)
    for slot, runner in ((0, alone), (3, among)):
        runner.prefill(slot, 0, first)
    expected = alone.decode([DecodeInput(0, 40, 5)]).copy()
    among.prefill(1, 0, half[:32])
    among.prefill(0, 0, first)
    among.prefill(5, 0, prompt(7, 3))
    seen = among.decode([DecodeInput(5, 7, 9), DecodeInput(0, 40, 5), DecodeInput(3, 40, 5)])
    assert np.array_equal(seen[1], expected[0])
    assert np.array_equal(seen[2], expected[0])
    # The half prefilled prompt goes on as if nothing had been.
    for start in (0, 32):
        whole = alone.prefill(1, start, half[start : start + 32]).copy()
    assert np.array_equal(among.prefill(1, 32, half[32:]), whole)


def test_chunks_of_any_size_give_the_same_bits(model: Model) -> None:
    ids = prompt(200, 4)
    runner = model.open()._model
    whole = runner.prefill(0, 0, ids).copy()
    for sizes in ([16] * 12 + [8], [64, 64, 64, 8], [32, 48, 112, 8], [192, 8], [150, 49, 1]):
        start = 0
        for size in sizes:
            last = runner.prefill(1, start, ids[start : start + size]).copy()
            start += size
        assert np.array_equal(last, whole), sizes


def test_a_conversation_after_a_long_one_is_decoded_as_if_it_were_the_first(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row, one slot, its own positions: what is idle takes no part, and nothing is copied."""
    seen: list[tuple[int, int, int]] = []
    runner = model.open()
    run_graph = runner._model._run

    def watched(first: int, width: int, places: list[int], ids: Any, past: Any, *rest: Any) -> Any:
        seen.append((width, len(places), int(past.max())))
        return run_graph(first, width, places, ids, past, *rest)

    def copied(*arguments: int) -> None:
        raise AssertionError("a slot was copied")

    free = Sampling(temperature=0.8)
    run(runner, [GenerationRequest(prompt_ids=prompt(400), max_tokens=20, sampling=free)])
    monkeypatch.setattr(runner._model, "_run", watched)
    monkeypatch.setattr(runner._slots.cache, "copy", copied)
    for conversation in (1, 2, 3, 4):
        seen.clear()
        second = GenerationRequest(prompt_ids=prompt(30, conversation), max_tokens=20, sampling=free)
        (made,) = run(runner, [second])
        assert len(made) == 20
        assert seen[1:] == [(1, 1, 30 + step) for step in range(19)]
