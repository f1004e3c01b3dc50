"""One sandbox for all tests: its engine is compiled once."""

import asyncio
import json
from collections.abc import Callable, Sequence

import msgspec
import pytest

from fireside.functions.messages import Failed, Outcome
from fireside.functions.reader import LIMITS, script
from fireside.functions.sandbox import Sandbox
from fireside.functions.signature import Signature, Unreadable

Call = Callable[..., Outcome]
Signatures = Callable[[Sequence[str]], list[Signature | Unreadable]]


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    return Sandbox(seconds=0.5, memory_mb=32)


@pytest.fixture
def call(sandbox: Sandbox) -> Call:
    """Calls the function `f` that the code is or declares, with arguments given as JSON texts."""

    def call(code: str, *arguments: str | None, name: str = "f") -> Outcome:
        return asyncio.run(sandbox.call(name, code, arguments))

    return call


@pytest.fixture
def value(call: Call) -> Callable[..., object]:
    """The same, for functions that return: the result."""

    def value(code: str, *arguments: str | None, name: str = "f") -> object:
        outcome = call(code, *arguments, name=name)
        assert not isinstance(outcome, Failed), outcome
        return msgspec.json.decode(outcome.json)

    return value


@pytest.fixture
def signatures(sandbox: Sandbox) -> Signatures:
    """Reads what the codes of functions with the name `f` say, all in one process."""

    def signatures(codes: Sequence[str]) -> list[Signature | Unreadable]:
        given = json.dumps([("f", code) for code in codes])
        outcome = asyncio.run(sandbox.run("read", script(), (given,), LIMITS))
        assert not isinstance(outcome, Failed), outcome
        return msgspec.json.decode(outcome.json, type=list[Signature | Unreadable])

    return signatures
