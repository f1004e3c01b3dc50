"""What each step computes, without a model: slots are real, what requests wait for is not."""

from dataclasses import dataclass, field

import pytest

from fireside.engine.onnx.kv_cache import KvCache
from fireside.engine.onnx.kv_slots import KvSlots
from fireside.engine.onnx.preparation import Prepared
from fireside.engine.onnx.scheduler import ALONE_TOKENS, MIN_CHUNK, SHARED_TOKENS, Batch, Scheduler
from fireside.engine.types import GenerationRequest, Sampling
from fireside.errors import BadGrammar, EngineFailed, FiresideError
from fireside.weights.checkpoint import ModelConfig

CONTEXT = 40_000
VOCAB = 10
CONFIG = ModelConfig(
    vocab_size=VOCAB, hidden_size=2, intermediate_size=2, layers=1, heads=1, kv_heads=1, head_dim=2,
    context_length=CONTEXT, rope_theta=1e4, norm_eps=1e-5,
)  # fmt: skip


@dataclass
class FakePreparation:
    """Everything is there at once, but what a test holds back or breaks."""

    held: set[int] = field(default_factory=set)
    broken: dict[int, Exception] = field(default_factory=dict)
    begun: list[int] = field(default_factory=list)
    forgotten: list[int] = field(default_factory=list)
    acquired: int = 0

    def begin(self, request_id: int, request: GenerationRequest) -> None:
        self.begun.append(request_id)

    def acquire(self, request_id: int, request: GenerationRequest) -> Prepared | None:
        if request_id in self.broken:
            raise self.broken[request_id]
        if request_id in self.held:
            return None
        self.acquired += 1
        return Prepared()

    def release(self, request: GenerationRequest) -> None:
        self.acquired -= 1

    def forget(self, request_id: int) -> None:
        self.forgotten.append(request_id)


class Machine:
    """A scheduler, and steps that go as it says. Answers end after max_tokens."""

    def __init__(self, slots: int = 16, capacity: int = 10 * CONTEXT) -> None:
        self.preparation = FakePreparation()
        self.slots = KvSlots(KvCache(CONFIG, slots, CONTEXT), capacity)
        self.scheduler = Scheduler(self.slots, self.preparation, VOCAB)
        self.first_tokens: list[int] = []
        self.ended: list[int] = []

    def step(self) -> Batch:
        batch = self.scheduler.schedule()
        self.scheduler.update(batch)
        completed = [chunk.sequence for chunk in batch.chunks if chunk.completes]
        self.first_tokens += [sequence.request_id for sequence in completed]
        for sequence in [*completed, *batch.decodes]:
            sequence.num_generated += 1
            sequence.pending = 1
            if sequence.num_generated == sequence.request.max_tokens:
                self.scheduler.finish(sequence)
                self.ended.append(sequence.request_id)
        return batch

    def steps_until_first_token(self, request_id: int) -> int:
        for count in range(1, 10_000):
            self.step()
            if request_id in self.first_tokens:
                return count
        raise AssertionError("it never gets a token")


def ask(length: int, max_tokens: int = 1, *, account: str = "", seed: int | None = None) -> GenerationRequest:
    return GenerationRequest(
        prompt_ids=[0] * length, max_tokens=max_tokens, account=account, cache_salt=str(length),
        sampling=Sampling(seed=seed),
    )  # fmt: skip


def computed(batch: Batch) -> dict[int, int]:
    """Tokens of each request's prompt."""
    return {chunk.sequence.request_id: len(chunk.ids) for chunk in batch.chunks}


def test_a_prompt_alone_takes_the_whole_budget() -> None:
    machine = Machine()
    machine.scheduler.add(1, ask(300))
    assert [computed(machine.step()), computed(machine.step())] == [{1: ALONE_TOKENS}, {1: 300 - ALONE_TOKENS}]
    assert machine.ended == [1]
    assert not machine.scheduler.busy


@pytest.mark.parametrize("streams", [0, 1, 8])
@pytest.mark.parametrize("length", [1_500, 30_000])
def test_a_short_prompt_does_not_wait_for_a_long_one(length: int, streams: int) -> None:
    machine = Machine()
    for stream in range(100, 100 + streams):
        machine.scheduler.add(stream, ask(1, 10_000))
    machine.step()
    machine.scheduler.add(1, ask(length))
    machine.step()
    machine.scheduler.add(2, ask(10))
    assert machine.steps_until_first_token(2) == 1


@pytest.mark.parametrize("account", ["", "another"])
def test_a_long_prompt_is_not_starved_by_an_endless_flow_of_short_ones(account: str) -> None:
    """Not even by one so strong that it could fill each step by itself."""
    machine = Machine()
    machine.scheduler.add(0, ask(1_000))
    for step in range(1, 200):
        for number in range(8):
            machine.scheduler.add(10 * step + number, ask(10, account=account))
        machine.step()
        if 0 in machine.first_tokens:
            break
    assert step <= 1_000 // (SHARED_TOKENS // 2) + 1


def test_accounts_share_what_is_prefilled() -> None:
    """The account with five long prompts gets no more done than the one with one."""
    machine = Machine()
    for number in range(5):
        machine.scheduler.add(number, ask(5_000, account="many"))
    machine.scheduler.add(9, ask(5_000, account="one"))
    done = {"many": 0, "one": 0}
    for _ in range(40):
        for chunk in machine.step().chunks:
            done[chunk.sequence.account] += len(chunk.ids)
    assert abs(done["many"] - done["one"]) <= SHARED_TOKENS


def test_a_step_keeps_to_its_budget() -> None:
    machine = Machine()
    for number in range(5):
        machine.scheduler.add(number, ask(1, 100))
    machine.step()
    for number, length in enumerate((700, 33, 500, 9), 10):
        machine.scheduler.add(number, ask(length))
    for _ in range(10):
        batch = machine.step()
        assert len(batch.decodes) + sum(computed(batch).values()) <= SHARED_TOKENS
        for chunk in batch.chunks:
            assert chunk.completes or len(chunk.ids) % MIN_CHUNK == 0


def test_all_that_runs_decodes_and_nothing_else() -> None:
    machine = Machine(slots=8)
    machine.scheduler.add(1, ask(3_000))
    while machine.scheduler.busy:
        machine.step()
    for number in (2, 3, 4):
        machine.scheduler.add(number, ask(10 + number, 5))
    machine.step()
    machine.scheduler.cancel(3)
    assert sorted(sequence.request_id for sequence in machine.step().decodes) == [2, 4]


def test_one_that_need_not_be_reproducible_is_last() -> None:
    """Of an odd number it alone is computed in the quicker way; if there is none, all are the same bits."""
    machine = Machine()
    machine.scheduler.add(1, ask(1, 9))
    machine.scheduler.add(2, ask(2, 9, seed=5))
    machine.scheduler.add(3, ask(3, 9, seed=6))
    machine.step()
    batch = machine.step()
    assert [sequence.request_id for sequence in batch.decodes] == [2, 3, 1]
    assert batch.last_is_inexact
    assert [machine.slots[sequence.slot].exact for sequence in batch.decodes] == [3, 4, 1]
    machine.scheduler.cancel(1)
    machine.scheduler.cancel(2)
    assert not machine.step().last_is_inexact


def test_an_account_with_many_answers_does_not_fill_the_steps_of_one_with_few() -> None:
    machine = Machine()
    for number in range(12):
        machine.scheduler.add(number, ask(1, 40, account="many"))
    machine.step()
    assert len(machine.step().decodes) == 12, "alone, an account has all"
    machine.scheduler.add(20, ask(1, 100, account="one"))
    machine.step()
    steps = [[sequence.request_id for sequence in machine.step().decodes] for _ in range(8)]
    assert all(20 in step and len(step) == 4 for step in steps)
    turns = [sum(number in step for step in steps) for number in range(12)]
    assert turns == [2] * 12, "they take turns"


def test_accounts_with_as_many_answers_all_decode() -> None:
    machine = Machine()
    for number in range(12):
        machine.scheduler.add(number, ask(1, 40, account=f"account {number % 3}"))
    machine.step()
    assert len(machine.step().decodes) == 12


def test_who_waits_for_something_holds_up_nobody() -> None:
    machine = Machine()
    machine.preparation.held = {1}
    machine.scheduler.add(1, ask(5))
    machine.scheduler.add(2, ask(6))
    machine.step()
    assert (machine.first_tokens, len(machine.scheduler.waiting)) == ([2], 1)
    assert machine.step() == Batch()
    machine.preparation.held = set()
    machine.step()
    assert machine.first_tokens == [2, 1]
    assert machine.preparation.acquired == 0


@pytest.mark.parametrize(
    ("error", "kind"), [(BadGrammar("no"), BadGrammar), (MemoryError(), EngineFailed), (OSError("gone"), EngineFailed)]
)
def test_what_cannot_start_fails_alone(error: Exception, kind: type[FiresideError]) -> None:
    machine = Machine()
    machine.preparation.broken = {1: error}
    machine.scheduler.add(1, ask(5))
    machine.scheduler.add(2, ask(6))
    batch = machine.step()
    assert [(number, type(failure)) for number, failure in batch.failed] == [(1, kind)]
    assert machine.first_tokens == [2]
    assert 1 in machine.preparation.forgotten


def test_those_without_a_slot_wait_in_order_and_keep_nothing() -> None:
    machine = Machine(slots=2)
    for number in range(4):
        machine.scheduler.add(number, ask(10 + number, 3))
    machine.step()
    assert [number for number, _ in machine.scheduler.waiting] == [2, 3]
    assert machine.preparation.acquired == 2
    while machine.scheduler.busy:
        machine.step()
    assert [sorted(machine.ended[:2]), sorted(machine.ended[2:])] == [[0, 1], [2, 3]]
    assert machine.preparation.acquired == 0


def test_what_is_cancelled_is_forgotten_wherever_it_is() -> None:
    machine = Machine(slots=2)
    for number, length in enumerate((10, 2_000, 30)):
        machine.scheduler.add(number, ask(length, 9))
    machine.step()
    for number in (2, 1, 0, 7):
        machine.scheduler.cancel(number)
    assert not machine.scheduler.busy
    assert machine.preparation.acquired == 0
    assert all(slot.idle for slot in machine.slots.slots)
