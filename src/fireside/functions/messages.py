"""What the server and a sandbox process say to each other: one job in, one outcome out, then the process ends.

msgpack over standard input and output; whatever the bytes, decoding makes only these types.
"""

from typing import Literal

import msgspec

MAX_RESULT_BYTES = 65_536
"""Most bytes of a result's JSON text. It becomes part of a prompt, so that a larger one would be of little use."""

MAX_ERROR_CHARS = 1000
"""Longer messages of exceptions are cut."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One call of one function.

    Args:
        engine: the JavaScript engine, compiled by this very version of wasmtime.
        name: the function's name.
        code: JavaScript: a function expression, or statements that declare a function of that name.
        arguments: one JSON text per parameter; None is undefined, so that a default value counts.
        seconds: most processor time.
        memory_bytes: most memory of the JavaScript engine, with all its objects.
        result_bytes: most bytes of the result's JSON text.
    """

    engine: bytes
    name: str
    code: str
    arguments: tuple[str | None, ...]
    seconds: float
    memory_bytes: int
    result_bytes: int = MAX_RESULT_BYTES


class Returned(msgspec.Struct, frozen=True, tag=True):
    """The function returned, or its promise was kept. `json` is the value as JSON text."""

    json: str


class Failed(msgspec.Struct, frozen=True, tag=True):
    """There is no result.

    Args:
        reason: "exception", the code threw, is not a function, or returned what is not JSON; "limit", it wanted more
            time, memory, stack or output than it may have; "crash", the sandbox broke down.
        message: for the model and the user to read.
    """

    reason: Literal["exception", "limit", "crash"]
    message: str


Outcome = Returned | Failed

encode = msgspec.msgpack.encode
job_decoder = msgspec.msgpack.Decoder(Job)
outcome_decoder: msgspec.msgpack.Decoder[Outcome] = msgspec.msgpack.Decoder(Outcome)
