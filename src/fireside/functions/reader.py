"""Functions of requests, read from their code, which is not run.

Acorn and comment-parser (`javascript/`) do that where the functions themselves run later: in a process of the sandbox,
with limits. What they found is remembered, so that an application's functions are read once.
"""

import asyncio
import hashlib
import json
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import msgspec

from fireside.errors import EngineFailed, InvalidInput
from fireside.functions.messages import Failed
from fireside.functions.sandbox import Limits, Sandbox
from fireside.functions.schema import (
    MAX_CODE,
    MAX_FUNCTIONS,
    MAX_TOTAL_CODE,
    NAME,
    CodeError,
    Function,
    function_of,
)
from fireside.functions.signature import Signature, Unreadable
from fireside.lru import Lru
from fireside.shares import Places

LIBRARIES = {
    "acorn-8.19.0.js": "b95392d79457d0357555c5ed3e56302d074b92dff119bcf3b44179500b10e9df",
    "comment-parser-1.4.9.js": "8469057e29d8c4dab6e763367a84e4f3626ba54e57082beb4309d298e5284b47",
}
"""Files of `javascript/` that are others' work, and their SHA-256. Its README says where they are from."""

LIMITS = Limits(seconds=6.0, memory_bytes=128 * 1024 * 1024, result_bytes=2 * 1024 * 1024)
"""Of reading all functions of one request. MAX_TOTAL_CODE characters of honest code take a third of the time, and can
say no more than half of the bytes."""

_FOLDER = Path(__file__).parent / "javascript"
_QUEUE = 64
_REMEMBERED = 16 * 1024 * 1024
_answer = msgspec.json.Decoder(list[Signature | Unreadable])


@cache
def script() -> str:
    """The JavaScript that declares `read`. Raises ValueError when a file is not the one that came with Fireside."""
    parts = ["const window = globalThis;"]
    for name, digest in LIBRARIES.items():
        content = (_FOLDER / name).read_bytes()
        if hashlib.sha256(content).hexdigest() != digest:
            raise ValueError(f"{_FOLDER / name} is not the file that came with Fireside: install Fireside again")
        parts.append(content.decode())
    return "\n".join([*parts, (_FOLDER / "signature.js").read_text()])


class FunctionReader:
    """Reads functions. Use it from one event loop."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        places = max(2, os.cpu_count() or 1)  # so that there is one for each of two accounts
        self._places = Places(places, share=places - 1, queue=_QUEUE, of="The reader of functions")
        self._known: Lru[Function | str] = Lru(_REMEMBERED)

    async def functions_of(self, account: str, given: Sequence[tuple[str, str]]) -> tuple[Function, ...]:
        """The functions of a request, from their names and their code.

        Raises:
            InvalidInput: one of them is not understood, or there are too many.
            Busy: the account has too many requests that wait for this.
            EngineFailed: there is no sandbox to read them in.
        """
        _check(given)
        digests = [hashlib.sha256(f"{name} {code}".encode("utf-8", "surrogatepass")).digest() for name, code in given]
        found = [self._known.get(digest) for digest in digests]
        unknown = [place for place, known in enumerate(found) if known is None]
        if unknown:
            async with self._places.held(account):
                read = await self._read([given[place] for place in unknown], unknown)
            for place, result in zip(unknown, read, strict=True):
                self._known.put(digests[place], result, _size(result))
                found[place] = result
        functions = []
        for place, function in enumerate(found):
            if not isinstance(function, Function):
                raise InvalidInput([f"functions.{place}.code: {function}"])
            functions.append(function)
        return tuple(functions)

    async def _read(self, given: Sequence[tuple[str, str]], places: Sequence[int]) -> list[Function | str]:
        """Each function, or what is wrong with its code. `places` are theirs in the request."""
        outcome = await self._sandbox.run("read", script(), (json.dumps(given),), LIMITS)
        if isinstance(outcome, Failed):
            if outcome.reason == "crash":
                raise EngineFailed(f"The functions cannot be read. {outcome.message}")
            where = f"functions.{places[0]}.code" if len(places) == 1 else "functions"
            raise InvalidInput([f"{where}: reading it took too much time or memory; make it shorter or simpler"])
        try:
            return await asyncio.to_thread(_functions, given, outcome.json)
        except (ValueError, RecursionError):
            raise EngineFailed("The functions cannot be read: what their reader said is not understood.") from None


def _check(given: Sequence[tuple[str, str]]) -> None:
    """Raises InvalidInput for what needs no reading."""
    if len(given) > MAX_FUNCTIONS:
        raise InvalidInput([f"functions: should have at most {MAX_FUNCTIONS} items"])
    if sum(len(code) for _, code in given) > MAX_TOTAL_CODE:
        raise InvalidInput([f"functions: should have at most {MAX_TOTAL_CODE} characters of code together"])
    names: set[str] = set()
    for place, (name, code) in enumerate(given):
        if not NAME.fullmatch(name):
            raise InvalidInput([f"functions.{place}.name: should be 1 to 64 letters, digits, $, _ or -"])
        if name in names:
            raise InvalidInput([f"functions.{place}.name: {name} is the name of another function"])
        if len(code) > MAX_CODE:
            raise InvalidInput([f"functions.{place}.code: should have at most {MAX_CODE} characters"])
        names.add(name)


def _functions(given: Sequence[tuple[str, str]], answer: str) -> list[Function | str]:
    """What the reader has found in each. Raises ValueError, RecursionError where it is not in its right mind."""
    signatures = _answer.decode(answer)
    return [_function(*pair, signature) for pair, signature in zip(given, signatures, strict=True)]


def _function(name: str, code: str, signature: Signature | Unreadable) -> Function | str:
    if isinstance(signature, Unreadable):
        return signature.error
    try:
        return function_of(name, code, signature)
    except CodeError as error:
        return str(error)


def _size(function: Function | str) -> int:
    if isinstance(function, str):
        return len(function)
    return 2 * len(function.code) + 8 * len(json.dumps(function.tool.parameters))
