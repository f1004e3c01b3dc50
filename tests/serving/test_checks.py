"""Grammars are checked once each, and no account's wait for another's."""

import asyncio
import sys
import threading
from collections.abc import Iterator

import pytest

from fireside.engine.grammar.checker import TOO_COMPLEX, GrammarChecker
from fireside.errors import BadGrammar, Busy, ShuttingDown
from fireside.serving.checks import GrammarChecks
from fireside.serving.grammars import Grammar
from support.children import Children
from support.grammars import json_grammar

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="processes are found in POSIX's way"),
]


def grammar(text: str) -> Grammar:
    return Grammar(text, text.encode())


GOOD = grammar(json_grammar({"type": "object"}))
BAD = grammar(json_grammar({"oneOf": [{}, {}]}))
HARD = grammar(json_grammar({"allOf": [{"type": "string", "pattern": f".{{{number}}}a"} for number in range(1, 60)]}))
A, B = "first", "second"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def checks(children: Children, clock: Clock) -> Iterator[GrammarChecks]:
    made = GrammarChecks(clock)
    yield made
    made.close()


async def test_what_was_found_out_needs_no_process_again(checks: GrammarChecks, children: Children) -> None:
    await checks.check(A, GOOD)
    for hostile, wrong in ((BAD, "oneOf is supported"), (HARD, "too complex")):
        with pytest.raises(BadGrammar, match=wrong):
            await checks.check(A, hostile)
    checks.close()
    assert children() == []
    await checks.check(B, GOOD)
    for hostile, wrong in ((BAD, "oneOf is supported"), (HARD, "too complex")):
        with pytest.raises(BadGrammar, match=wrong):
            await checks.check(B, hostile)
    assert children() == []


async def test_too_complex_is_tried_again_in_the_end(
    checks: GrammarChecks, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts = [TOO_COMPLEX, ""]
    monkeypatch.setattr(GrammarChecker, "fault", lambda self, grammar: verdicts.pop(0))
    for _ in range(2):
        with pytest.raises(BadGrammar):
            await checks.check(A, GOOD)
    clock.now += 601
    await checks.check(A, GOOD)
    clock.now += 1e9
    await checks.check(A, GOOD)
    assert verdicts == []


class Slow:
    """Checkers that wait to be let go on with every grammar of the letter a."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gate = threading.Event()
        self.asked: list[str] = []
        monkeypatch.setattr(GrammarChecker, "fault", lambda _, grammar: self._fault(grammar))

    def _fault(self, grammar: str) -> str:
        self.asked.append(grammar)
        if grammar.startswith("a"):
            self.gate.wait(30)
        return ""


async def test_an_accounts_grammars_wait_for_its_own_alone(
    checks: GrammarChecks, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(monkeypatch)
    tasks = [asyncio.create_task(checks.check(A, grammar(f"a{number}"))) for number in range(24)]
    await asyncio.sleep(0)
    for number in range(5):
        await checks.check(B, grammar(f"b{number}"))
    assert [grammar for grammar in slow.asked if grammar.startswith("a")] == ["a0"]
    slow.gate.set()
    await asyncio.gather(*tasks)


async def test_what_is_known_passes_the_queue(checks: GrammarChecks, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(monkeypatch)
    await checks.check(A, grammar("known"))
    tasks = [asyncio.create_task(checks.check(account, grammar(f"a{account}"))) for account in (A, B, "third")]
    await asyncio.sleep(0)
    await checks.check(A, grammar("known"))
    assert slow.asked.count("known") == 1
    slow.gate.set()
    await asyncio.gather(*tasks)


async def test_the_same_grammar_asked_often_at_once_is_checked_once(
    checks: GrammarChecks, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(monkeypatch)
    tasks = [asyncio.create_task(checks.check(A, grammar("a"))) for _ in range(9)]
    await asyncio.sleep(0)
    slow.gate.set()
    await asyncio.gather(*tasks)
    assert slow.asked == ["a"]


async def test_too_many_at_once_are_refused(checks: GrammarChecks, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(monkeypatch)
    tasks = [asyncio.create_task(checks.check(A, grammar(f"a{number}"))) for number in range(100)]
    await asyncio.sleep(0)
    slow.gate.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {type(None), Busy}


async def test_closing_ends_a_check_under_way_and_those_that_wait(checks: GrammarChecks, children: Children) -> None:
    tasks = [asyncio.create_task(checks.check(A, hostile)) for hostile in (HARD, BAD)]
    while not children():  # noqa: ASYNC110  (nobody tells)
        await asyncio.sleep(0.01)
    checks.close()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [BadGrammar, ShuttingDown]
    assert children() == []
