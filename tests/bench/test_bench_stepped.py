"""Conversations that follow one another and prompts that wait: on a tiny model, in Fireside's real engine."""

import io
from pathlib import Path

import pytest
from bench.awq_checkpoint import write_awq
from bench.conversations import (
    BLOCK,
    ConversationKey,
    ConversationTurn,
    ConversationWork,
    FiresideConversations,
    StepPair,
    conversation_table,
)
from bench.report import spread
from bench.rounds import Results
from bench.stepping import open_stepper
from bench.waiting import FiresideWaiting, Wait, WaitingKey, WaitingTurn, WaitingWork, long_table, short_table
from bench.workload import Unavailable
from rich.console import Console
from rich.table import Table

from fireside.engine.onnx.options import OnnxOptions
from support.bench_models import TINY


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> OnnxOptions:
    folder = tmp_path_factory.mktemp("stepped")
    write_awq(folder / "awq", TINY, 32)
    cache = str(folder / "cache")
    return OnnxOptions(model_path=str(folder / "awq"), cache_dir=cache, context_length=128, max_num_seqs=8, threads=1)


@pytest.fixture(autouse=True)
def small_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny model has 290 tokens."""
    count = iter(range(1, 1000))
    for module in ("conversations", "waiting"):
        monkeypatch.setattr(
            f"bench.{module}.random_prompt", lambda length: [next(count) % 200 + 1, *range(5, length + 4)]
        )


def cells(table: Table) -> list[list[str]]:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table)
    lines = console.export_text().splitlines()
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]


def test_each_conversation_is_timed_in_pairs(options: OnnxOptions) -> None:
    work = ConversationWork(
        chat_tokens=60, prompt_tokens=8, answer_tokens=2 * BLOCK + 1, last=3, context_length=128, threads=1
    )
    turn = FiresideConversations(options).take_turn(work, first=True)
    keys = {ConversationKey(number, seeded) for number in (2, 3) for seeded in (False, True)}
    assert {key: len(pairs) for key, pairs in turn.pairs.items()} == dict.fromkeys(keys, 2)
    assert all(pair.fresh > 0 and pair.later > 0 for pairs in turn.pairs.values() for pair in pairs)


def test_what_waits_is_counted_in_steps(options: OnnxOptions) -> None:
    work = WaitingWork(long_prompts=(100,), streams=(0, 2), stream_tokens=40, threads=1)
    turn = FiresideWaiting(options).take_turn(work, first=True)
    short = {WaitingKey(100, streams, True) for streams in (0, 2)}
    assert set(turn.waits) == short | {WaitingKey(100, flow, False) for flow in (0, 4)}
    alone, beside = (turn.waits[WaitingKey(100, flow, False)].steps for flow in (0, 4))
    assert alone is not None
    assert beside is not None
    assert 1 <= alone < beside


def test_steps_are_counted_and_what_is_cancelled_is_gone(options: OnnxOptions) -> None:
    with open_stepper(options) as stepper:
        before = stepper.steps
        kept, dropped = stepper.submit([1, 2, 3], 3), stepper.submit([4, 5, 6], 50)
        stepper.until_token(kept)
        stepper.until_token(dropped)
        stepper.cancel([dropped])
        stepper.drain()
        assert stepper.steps - before <= 4
        with pytest.raises(Unavailable, match="has ended"):
            stepper.until_token(stepper.submit([7, 8], 1) + 1)


def test_weights_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(Unavailable), open_stepper(OnnxOptions(model_path=str(tmp_path / "nowhere"))):
        pass


def test_a_spread_has_median_least_and_most() -> None:
    assert spread([0.02, 0.01, 0.5]) == "0.02 (0.01 to 0.5)"
    assert spread([]) == "-"


def test_ratios_are_those_of_pairs_over_all_rounds() -> None:
    key = ConversationKey(2, True)
    rounds = {
        0: ConversationTurn({key: [StepPair(0.010, 0.011), StepPair(0.100, 0.110)]}),
        1: ConversationTurn({key: [StepPair(0.010, 0.020)]}),
    }
    results = Results({"Fireside": rounds}, {"llama-server": "no compiler"})
    row = ["Fireside", "2", "yes", "10 (10 to 100)", "20 (11 to 110)", "1.1 (1.1 to 2)", "3"]
    assert cells(conversation_table("title", results, ["Fireside", "llama-server"])) == [row]


def test_short_and_long_have_a_table_each() -> None:
    turns = {
        number: WaitingTurn({WaitingKey(1500, 4, True): Wait(0.5, steps), WaitingKey(1500, 0, False): Wait(9.0)})
        for number, steps in enumerate((1, 2, 4))
    }
    results = Results({"one": turns})
    milliseconds = "500 (500 to 500)"
    assert cells(short_table("title", results, ["one"])) == [["one", "1500", "4", "2 (1 to 4)", milliseconds, "3"]]
    assert cells(long_table("title", results, ["one"])) == [["one", "1500", "0", "-", "9000 (9000 to 9000)", "3"]]
