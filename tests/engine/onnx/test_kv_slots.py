"""Slots of the KV cache as a state machine: whatever comes and goes, a slot holds exactly what its request needs."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fireside.engine.onnx.kv_cache import KvCache
from fireside.engine.onnx.kv_slots import MIN_REUSE, KvSlots
from fireside.weights.checkpoint import ModelConfig

CONTEXT = 48
CONFIG = ModelConfig(
    vocab_size=10, hidden_size=4, intermediate_size=4, layers=1, heads=2, kv_heads=2, head_dim=2,
    context_length=CONTEXT, rope_theta=1e4, norm_eps=1e-5,
)  # fmt: skip


class WatchedCache(KvCache):
    """Knows, for each slot, how many positions were written since its memory was given back."""

    def __init__(self, slots: int) -> None:
        super().__init__(CONFIG, slots, CONTEXT)
        self.written = [0] * slots

    def write(self, slot: int, position: int, number: int) -> None:
        self.unpark([slot])
        self.keys[0][slot, :, position] = number
        self.values[0][slot, :, position] = -number
        self.written[slot] = max(self.written[slot], position + 1)

    def holds(self, slot: int, numbers: list[int]) -> bool:
        """Whether it holds these, the first of them perhaps put aside."""
        wanted = np.array(numbers, np.float32)[None, :, None]
        keys, values = (array[slot, :, : len(numbers)].copy() for array in (self.keys[0], self.values[0]))
        if numbers and slot in self._parked:
            keys[:, 0], values[:, 0] = self._parked[slot]
        return bool((keys == wanted).all() and (values == -wanted).all())

    def copy(self, source: int, target: int, count: int) -> None:
        super().copy(source, target, count)
        self.written[target] = max(self.written[target], count)

    def release(self, slot: int) -> None:
        super().release(slot)
        self.written[slot] = 0


def marks(ids: list[int]) -> list[int]:
    """What the cache holds for each token: a number that hangs on the token and on all before it, as keys do."""
    made, last = [], 1
    for token in ids:
        last = (last * 31 + token + 7) % 8_388_593
        made.append(last)
    return made


class Request:
    def __init__(self, prompt: list[int], max_tokens: int, account: str) -> None:
        self.prompt = prompt
        self.reserve = len(prompt) + max_tokens
        self.account = account


class Slots(RuleBasedStateMachine):
    @initialize(max_num_seqs=st.integers(1, 4), capacity=st.integers(CONTEXT, 2 * CONTEXT))
    def begin(self, max_num_seqs: int, capacity: int) -> None:
        self.cache = WatchedCache(max_num_seqs)
        self.table = KvSlots(self.cache, capacity)
        self.running: dict[int, Request] = {}
        self.computed: dict[str, set[int]] = {"one": set(), "two": set()}

    @rule(data=st.data(), account=st.sampled_from(["one", "two"]))
    def place(self, data: st.DataObject, account: str) -> None:
        """A new conversation, or the next turn of one that some slot holds, or a branch of it."""
        slot = self.table[data.draw(st.integers(0, len(self.table.slots) - 1), "next turn of")]
        known = slot.tokens[: data.draw(st.integers(0, slot.length), "kept")].tolist()
        new = data.draw(st.lists(st.integers(0, 3), min_size=0 if known else 1, max_size=CONTEXT - 1), "new")
        prompt = (known + new)[: CONTEXT - 1]
        request = Request(prompt, data.draw(st.integers(1, CONTEXT - len(prompt)), "max_tokens"), account)
        running = sum(max(slot.reserved, slot.touched) for slot in self.table.slots if not slot.idle)

        index = self.table.place(request.prompt, request.reserve, (request.account, "", ""))

        if index is None:
            room = self.table.capacity - running
            assert len(self.running) == self.cache.slots or request.reserve > room, "was made to wait for nothing"
            return
        assert index < self.cache.slots
        assert index not in self.running, "two requests in one slot"
        reused = self.table[index].length
        assert reused == 0 or MIN_REUSE <= reused < len(prompt)
        assert reused == 0 or marks(prompt)[reused - 1] in self.computed[account], "what another account computed"
        self.running[index] = request

    @precondition(lambda self: self.running)
    @rule(data=st.data(), count=st.integers(1, CONTEXT))
    def compute(self, data: st.DataObject, count: int) -> None:
        """Prefill a chunk, or decode a few steps: the slot's next tokens are computed and written."""
        index = data.draw(st.sampled_from(sorted(self.running)), "slot")
        request, slot = self.running[index], self.table[index]
        ids = request.prompt[slot.length : slot.length + count]
        if not ids:
            count = min(count, request.reserve - 1 - slot.length)  # the last token of an answer is never computed
            ids = [data.draw(st.integers(0, 3), "token")] * count
        for position, number in list(enumerate(marks(self.tokens(index) + ids)))[slot.length :]:
            self.cache.write(index, position, number)
            self.computed[request.account].add(number)
        slot.append(ids)

    @rule(data=st.data())
    def scratch(self, data: st.DataObject) -> None:
        """A padded prefill writes behind the end, and a decode step into the first position of slots it passes over."""
        index = data.draw(st.integers(0, len(self.table.slots) - 1), "slot")
        self.cache.unpark([index])
        self.cache.keys[0][index, :, self.table[index].length] = np.nan
        self.cache.park([index])
        self.cache.keys[0][index, :, 0] = np.nan

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        index = data.draw(st.sampled_from(sorted(self.running)), "slot")
        del self.running[index]
        self.table.finish(index)

    @invariant()
    def every_slot_holds_what_it_says(self) -> None:
        for index, slot in enumerate(self.table.slots):
            assert self.cache.holds(index, marks(self.tokens(index))), f"slot {index}"
            assert slot.idle == (index not in self.running)
        for index, request in self.running.items():
            length = self.table[index].length
            assert self.tokens(index)[: len(request.prompt)] == request.prompt[:length]
            assert self.table[index].reserved == request.reserve

    @invariant()
    def memory_is_never_exceeded(self) -> None:
        used = [
            max(written, self.running[index].reserve if index in self.running else 0)
            for index, written in enumerate(self.cache.written)
        ]
        assert sum(used) <= self.table.capacity, used

    def tokens(self, index: int) -> list[int]:
        slot = self.table[index]
        ids: list[int] = slot.tokens[: slot.length].tolist()
        return ids


TestSlots = Slots.TestCase
TestSlots.settings = settings(max_examples=60, stateful_step_count=40)


def table(max_num_seqs: int = 3, capacity: int = 1000) -> KvSlots:
    return KvSlots(KvCache(CONFIG, max_num_seqs, CONTEXT), capacity)


def held(slots: KvSlots, ids: list[int], account: str = "") -> int:
    """A slot whose finished request left these tokens."""
    index = slots.place(ids, len(ids) + 1, (account, "", ""))
    assert index is not None
    slot = slots[index]
    slot.append(ids[slot.length :])
    slots.finish(index)
    return index


def test_the_longest_prefix_is_taken() -> None:
    slots = table()
    held(slots, [1] * 10)
    longest = held(slots, [2] * 20)
    assert slots.place([2] * 20 + [3], 30, ("", "", "")) == longest
    assert slots[longest].length == 20


def test_the_last_token_is_always_computed() -> None:
    slots = table()
    index = held(slots, [2] * 20)
    assert slots.place([2] * 20, 30, ("", "", "")) == index
    assert slots[index].length == 19


def test_a_short_prefix_is_not_worth_a_copy() -> None:
    slots = table()
    held(slots, [1] * (MIN_REUSE - 1) + [2] * 10)
    index = slots.place([1] * (MIN_REUSE - 1) + [3] * 10, 20, ("", "", ""))
    assert index is not None
    assert slots[index].length == 0


def test_a_long_conversation_is_not_lost_to_a_branch_of_its_beginning() -> None:
    slots = table()
    long = held(slots, [1] * 10 + [2] * 30)
    branch = slots.place([1] * 10 + [3] * 5, 20, ("", "", ""))
    assert branch not in (None, long)
    assert slots[long].length == 40


def test_a_branch_takes_the_slot_when_there_is_no_memory_for_a_copy() -> None:
    slots = table(capacity=45)
    long = held(slots, [1] * 10 + [2] * 30)
    assert slots.place([1] * 10 + [3] * 5, 20, ("", "", "")) == long
    assert slots[long].length == 10


def test_the_longest_unused_slot_makes_way() -> None:
    slots = table(max_num_seqs=2)
    first, second = held(slots, [1] * 10), held(slots, [2] * 10)
    assert held(slots, [1] * 10) == first
    assert slots.place([3] * 10, 20, ("", "", "")) == second


def test_a_full_table_has_no_place() -> None:
    slots = table(max_num_seqs=2)
    assert [
        slots.place([1], 5, ("", "", "")),
        slots.place([2], 5, ("", "", "")),
        slots.place([3], 5, ("", "", "")),
    ] == [
        0,
        1,
        None,
    ]
