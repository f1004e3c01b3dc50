"""Errors as data: each leaf arrives as it was, and nothing else arrives as anything but EngineFailed."""

import inspect
from collections.abc import Sequence
from typing import Any, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.engine.error_codec import LEAVES, ErrorData, copy_error, decode_error, encode_error
from fireside.errors import (
    BadGrammar,
    BadWeights,
    CapacityError,
    ContextOverflow,
    DownloadFailed,
    EngineError,
    EngineFailed,
    FiresideError,
    InvalidInput,
    MethodNotAllowed,
    ModelError,
    RequestError,
    for_operators,
)

TEXTS = st.text(max_size=30)
ARGUMENTS: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    int: st.integers(0, 2**53),
    bool: st.booleans(),
    Sequence[str]: st.lists(TEXTS, max_size=3),
}


def arguments_of(kind: type[FiresideError]) -> st.SearchStrategy[dict[str, Any]]:
    """Any values that a leaf's constructor takes."""
    hints = get_type_hints(kind.__init__)
    return st.fixed_dictionaries({name: ARGUMENTS[hints[name]] for name in inspect.signature(kind).parameters})


def crossed(error: BaseException) -> FiresideError:
    """An error that was sent as bytes."""
    return decode_error(msgspec.msgpack.decode(msgspec.msgpack.encode(encode_error(error)), type=ErrorData))


def state(error: BaseException) -> tuple[Any, ...]:
    return type(error), str(error), error.args, vars(error)


@pytest.mark.parametrize("leaf", LEAVES)
@given(data=st.data())
def test_each_leaf_arrives_as_it_was(leaf: str, data: st.DataObject) -> None:
    error = LEAVES[leaf](**data.draw(arguments_of(LEAVES[leaf])))
    assert state(crossed(error)) == state(error)
    assert copy_error(error) is not error
    assert state(copy_error(error)) == state(error)


def test_the_leaves_are_those_of_the_tree() -> None:
    assert {InvalidInput, ContextOverflow, MethodNotAllowed, BadWeights, EngineFailed} < set(LEAVES.values())
    assert not {FiresideError, RequestError, CapacityError, ModelError, EngineError} & set(LEAVES.values())


def test_a_kind_of_a_leaf_arrives_as_that_leaf() -> None:
    assert state(crossed(Refused("no such file"))) == state(DownloadFailed("no such file"))


def test_numbers_and_problems_arrive_as_such() -> None:
    overflow = crossed(ContextOverflow(10, 20, 16, at_least=True))
    assert isinstance(overflow, ContextOverflow)
    assert (overflow.prompt_tokens, overflow.max_tokens, overflow.context_length) == (10, 20, 16)
    assert "at least 10" in str(overflow)
    invalid = crossed(InvalidInput(["a: wrong", "b: missing"]))
    assert isinstance(invalid, InvalidInput)
    assert invalid.problems == ("a: wrong", "b: missing")
    not_allowed = crossed(MethodNotAllowed("no", ["GET"]))
    assert isinstance(not_allowed, MethodNotAllowed)
    assert not_allowed.allowed == ("GET",)


def test_notes_for_operators_arrive() -> None:
    error = BadWeights("model.safetensors: cut")
    error.add_note("Its files: /srv/models")
    arrived = crossed(error)
    assert str(arrived) == "model.safetensors: cut"
    assert for_operators(arrived) == "model.safetensors: cut Its files: /srv/models"


class Refused(DownloadFailed):
    """A kind of a leaf."""


class Own(FiresideError):
    """A leaf of somebody else's."""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("the prompt has no tokens"), "the prompt has no tokens"),
        (MemoryError(), "MemoryError. The server's log says more."),
        (KeyError("/secret/place"), "KeyError. The server's log says more."),
        (Own("a message"), "a message"),
    ],
)
def test_other_exceptions_arrive_as_a_failure_of_the_engine(
    error: Exception, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    arrived = crossed(error)
    assert type(arrived) is EngineFailed
    assert str(arrived) == said
    assert [record.exc_info[1] for record in caplog.records if record.exc_info] == [error]


@pytest.mark.parametrize(
    "data",
    [
        ErrorData("Sequence", {"message": "x"}),
        ErrorData("RequestError", {"message": "x"}),
        ErrorData("FiresideError", {"message": "x"}),
        ErrorData("ContextOverflow", {"message": "x"}),
        ErrorData("ContextOverflow", {"prompt_tokens": "1", "max_tokens": 2, "context_length": 3}),
        ErrorData("InvalidInput", {"problems": "abc"}),
        ErrorData("Busy", {}),
        ErrorData("Busy", {"message": "x", "account": "y"}),
        ErrorData("", {}),
    ],
    ids=repr,
)
def test_what_describes_no_error_is_a_failure_of_the_engine(data: ErrorData) -> None:
    error = decode_error(data)
    assert type(error) is EngineFailed
    assert "cannot be read" in str(error)


def test_a_grammar_error_has_no_place_of_its_own() -> None:
    assert encode_error(BadGrammar("no")) == ErrorData("BadGrammar", {"message": "no"})
