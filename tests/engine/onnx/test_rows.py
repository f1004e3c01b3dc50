"""Rows of the KV cache as a state machine: whatever comes and goes, a row holds exactly what its request needs."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fireside.engine.onnx.kv_cache import KvCache
from fireside.engine.onnx.rows import MIN_REUSE, RowTable
from fireside.weights.checkpoint import ModelConfig

CONTEXT = 48
CONFIG = ModelConfig(
    vocab_size=10, hidden_size=4, intermediate_size=4, layers=1, heads=2, kv_heads=2, head_dim=2,
    context_length=CONTEXT, rope_theta=1e4, norm_eps=1e-5,
)  # fmt: skip


class WatchedCache(KvCache):
    """Knows, for each row, how many positions were written since its memory was given back."""

    def __init__(self, rows: int) -> None:
        super().__init__(CONFIG, rows, CONTEXT)
        self.written = [0] * rows

    def write(self, row: int, position: int, number: int) -> None:
        self.keys[0][row, :, position] = number
        self.values[0][row, :, position] = -number
        self.written[row] = max(self.written[row], position + 1)

    def holds(self, row: int, numbers: list[int]) -> bool:
        wanted = np.array(numbers, np.float32)[None, :, None]
        keys, values = (array[row, :, : len(numbers)] for array in (self.keys[0], self.values[0]))
        return bool((keys == wanted).all() and (values == -wanted).all())

    def copy(self, source: int, target: int, count: int) -> None:
        super().copy(source, target, count)
        self.written[target] = max(self.written[target], count)

    def swap(self, first: int, first_count: int, second: int, second_count: int) -> None:
        super().swap(first, first_count, second, second_count)
        for row in (first, second):
            self.written[row] = max(self.written[row], first_count, second_count)

    def release(self, row: int) -> None:
        super().release(row)
        self.written[row] = 0


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


class Rows(RuleBasedStateMachine):
    @initialize(max_num_seqs=st.integers(1, 4), capacity=st.integers(CONTEXT, 2 * CONTEXT))
    def begin(self, max_num_seqs: int, capacity: int) -> None:
        self.cache = WatchedCache(max_num_seqs + max_num_seqs % 2)
        self.table = RowTable(self.cache, max_num_seqs, capacity)
        self.running: dict[int, Request] = {}
        self.computed: dict[str, set[int]] = {"one": set(), "two": set()}

    @rule(data=st.data(), account=st.sampled_from(["one", "two"]))
    def place(self, data: st.DataObject, account: str) -> None:
        """A new conversation, or the next turn of one that some row holds, or a branch of it."""
        row = self.table.rows[data.draw(st.integers(0, len(self.table.rows) - 1), "next turn of")]
        known = row.tokens[: data.draw(st.integers(0, row.length), "kept")].tolist()
        new = data.draw(st.lists(st.integers(0, 3), min_size=0 if known else 1, max_size=CONTEXT - 1), "new")
        prompt = (known + new)[: CONTEXT - 1]
        request = Request(prompt, data.draw(st.integers(1, CONTEXT - len(prompt)), "max_tokens"), account)
        running = sum(max(row.reserved, row.touched) for row in self.table.rows if not row.idle)

        index = self.table.place(request.prompt, request.reserve, (request.account, "", ""))

        if index is None:
            room = self.table.capacity - running
            assert len(self.running) == self.table.max_num_seqs or request.reserve > room, (
                "was made to wait for nothing"
            )
            return
        assert index < self.table.max_num_seqs
        assert index not in self.running, "two requests in one row"
        reused = self.table.rows[index].length
        assert reused == 0 or MIN_REUSE <= reused < len(prompt)
        assert reused == 0 or marks(prompt)[reused - 1] in self.computed[account], "what another account computed"
        self.running[index] = request

    @precondition(lambda self: self.running)
    @rule(data=st.data(), count=st.integers(1, CONTEXT))
    def compute(self, data: st.DataObject, count: int) -> None:
        """Prefill a chunk, or decode a few steps: the row's next tokens are computed and written."""
        index = data.draw(st.sampled_from(sorted(self.running)), "row")
        request, row = self.running[index], self.table.rows[index]
        ids = request.prompt[row.length : row.length + count]
        if not ids:
            count = min(count, request.reserve - 1 - row.length)  # the last token of an answer is never computed
            ids = [data.draw(st.integers(0, 3), "token")] * count
        for position, number in list(enumerate(marks(self.tokens(index) + ids)))[row.length :]:
            self.cache.write(index, position, number)
            self.computed[request.account].add(number)
        row.append(ids)

    @rule(data=st.data())
    def scratch(self, data: st.DataObject) -> None:
        """A decode step writes behind the end of rows that take no part."""
        index = data.draw(st.integers(0, len(self.table.rows) - 1), "row")
        self.cache.keys[0][index, :, self.table.rows[index].length] = np.nan

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        index = data.draw(st.sampled_from(sorted(self.running)), "row")
        del self.running[index]
        self.table.finish(index)

    @precondition(lambda self: self.gap() is not None)
    @rule()
    def close_gap(self) -> None:
        gap, top = self.gap(), max(self.running)
        assert gap is not None
        self.table.swap(gap, top)
        self.running[gap] = self.running.pop(top)

    @invariant()
    def every_row_holds_what_it_says(self) -> None:
        for index, row in enumerate(self.table.rows):
            assert self.cache.holds(index, marks(self.tokens(index))), f"row {index}"
            assert row.idle == (index not in self.running)
        for index, request in self.running.items():
            length = self.table.rows[index].length
            assert self.tokens(index)[: len(request.prompt)] == request.prompt[:length]
            assert self.table.rows[index].reserved == request.reserve

    @invariant()
    def memory_is_never_exceeded(self) -> None:
        used = [
            max(written, self.running[index].reserve if index in self.running else 0)
            for index, written in enumerate(self.cache.written)
        ]
        assert sum(used) <= self.table.capacity, used

    def tokens(self, index: int) -> list[int]:
        row = self.table.rows[index]
        ids: list[int] = row.tokens[: row.length].tolist()
        return ids

    def gap(self) -> int | None:
        """An idle row below a running one, as the scheduler looks for."""
        top = max(self.running, default=0)
        return next((index for index in range(top) if index not in self.running), None)


TestRows = Rows.TestCase
TestRows.settings = settings(max_examples=60, stateful_step_count=40)


def table(max_num_seqs: int = 3, capacity: int = 1000) -> RowTable:
    return RowTable(KvCache(CONFIG, max_num_seqs, CONTEXT), max_num_seqs, capacity)


def held(rows: RowTable, ids: list[int], account: str = "") -> int:
    """A row whose finished request left these tokens."""
    index = rows.place(ids, len(ids) + 1, (account, "", ""))
    assert index is not None
    row = rows.rows[index]
    row.append(ids[row.length :])
    rows.finish(index)
    return index


def test_the_longest_prefix_is_taken() -> None:
    rows = table()
    held(rows, [1] * 10)
    longest = held(rows, [2] * 20)
    assert rows.place([2] * 20 + [3], 30, ("", "", "")) == longest
    assert rows.rows[longest].length == 20


def test_the_last_token_is_always_computed() -> None:
    rows = table()
    index = held(rows, [2] * 20)
    assert rows.place([2] * 20, 30, ("", "", "")) == index
    assert rows.rows[index].length == 19


def test_a_short_prefix_is_not_worth_a_copy() -> None:
    rows = table()
    held(rows, [1] * (MIN_REUSE - 1) + [2] * 10)
    index = rows.place([1] * (MIN_REUSE - 1) + [3] * 10, 20, ("", "", ""))
    assert index is not None
    assert rows.rows[index].length == 0


def test_a_long_conversation_is_not_lost_to_a_branch_of_its_beginning() -> None:
    rows = table()
    long = held(rows, [1] * 10 + [2] * 30)
    branch = rows.place([1] * 10 + [3] * 5, 20, ("", "", ""))
    assert branch not in (None, long)
    assert rows.rows[long].length == 40


def test_a_branch_takes_the_row_when_there_is_no_memory_for_a_copy() -> None:
    rows = table(capacity=45)
    long = held(rows, [1] * 10 + [2] * 30)
    assert rows.place([1] * 10 + [3] * 5, 20, ("", "", "")) == long
    assert rows.rows[long].length == 10


def test_the_longest_unused_row_makes_way() -> None:
    rows = table(max_num_seqs=2)
    first, second = held(rows, [1] * 10), held(rows, [2] * 10)
    assert held(rows, [1] * 10) == first
    assert rows.place([3] * 10, 20, ("", "", "")) == second


def test_a_full_table_has_no_place() -> None:
    rows = table(max_num_seqs=2)
    assert [rows.place([1], 5, ("", "", "")), rows.place([2], 5, ("", "", "")), rows.place([3], 5, ("", "", ""))] == [
        0,
        1,
        None,
    ]
