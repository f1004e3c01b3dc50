"""A JavaScript engine inside WebAssembly: one fresh QuickJS per call, with nothing of the host in it.

The file `quickjs/quickjs.wasm` is the npm package quickjs-wasi's build of QuickJS-NG; the exports used here are those
that its own `dist/index.js` uses. All memory that JavaScript sees is the instance's linear memory, and all that it can
call is in `Machine._host_function`: a clock that stands still, random bytes, and refusals.
"""

import hashlib
import os
import re
import time
from pathlib import Path
from typing import TypeGuard

import wasmtime

from fireside.functions.messages import MAX_ERROR_CHARS, MAX_RESULT_BYTES, Failed

WASM = Path(__file__).parent / "quickjs" / "quickjs.wasm"
WASM_SHA256 = "d4c9375f2b1ca4dc95f72c8aa2982a7a9951ac8011490d79c6582df732b4bbd9"

JS_STACK = 384 * 1024
"""Bytes of QuickJS's own stack: some 1,600 nested calls, then JavaScript gets a RangeError. The build has 1 MiB."""

WASM_STACK = 2 * 1024 * 1024
"""Bytes of the native stack that WebAssembly may use: what QuickJS needs for JS_STACK, in most cases. As much as
wasmtime's C API allows."""

_INTRINSICS = 0b11_1111_1111
"""All of the language but performance (bit 10), DOMException (11) and atob (12). See `Intrinsics` in quickjs-wasi."""

_ERRNO_BADF, _ERRNO_NOSYS = 8, 52
_PENDING, _REJECTED = 0, 2
_IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)

Value = int
"""Address of a JavaScript value in the instance's memory."""


class Stopped(Exception):
    """The call ended without a result; `failed` says why."""

    def __init__(self, failed: Failed) -> None:
        self.failed = failed
        super().__init__(failed.message)


def _engine() -> wasmtime.Engine:
    config = wasmtime.Config()
    config.max_wasm_stack = WASM_STACK
    return wasmtime.Engine(config)


def compile_engine() -> bytes:
    """`quickjs.wasm` in this machine's own code, for `Machine`; a few seconds of work.

    Raises ValueError when the file is not the one that came with Fireside.
    """
    code = WASM.read_bytes()
    if hashlib.sha256(code).hexdigest() != WASM_SHA256:
        raise ValueError(f"{WASM} is not the file that came with Fireside: install Fireside again")
    return bytes(wasmtime.Module(_engine(), code).serialize())


class Machine:
    """One instance of the engine, for one call.

    Args:
        compiled: of `compile_engine`, by the same version of wasmtime on the same kind of machine.
        memory_bytes: limit of the linear memory. JavaScript that needs more gets an InternalError.
        result_bytes: limit of the result's JSON text.
    """

    def __init__(self, compiled: bytes, memory_bytes: int, result_bytes: int = MAX_RESULT_BYTES) -> None:
        self._result_bytes = result_bytes
        engine = _engine()
        module = wasmtime.Module.deserialize(engine, compiled)
        self._store = wasmtime.Store(engine)
        self._store.set_limits(memory_size=memory_bytes, instances=1, tables=1, memories=1)
        self._now = time.time_ns()
        instance = wasmtime.Instance(self._store, module, [self._host_function(item) for item in module.imports])
        self._exports = instance.exports(self._store)
        memory = self._exports["memory"]
        assert isinstance(memory, wasmtime.Memory)
        self._memory = memory
        self._call("_initialize")
        if self._call("qjs_init2", _INTRINSICS) != 0:
            raise Stopped(Failed("limit", "The JavaScript engine does not fit into the memory it is given."))
        self._call("qjs_set_max_stack_size", JS_STACK)
        # Taken before any foreign code runs: what it does to JSON is its own affair.
        self._parse = self._evaluate("JSON.parse")
        self._stringify = self._evaluate("JSON.stringify")

    def run(self, name: str, code: str, arguments: tuple[str | None, ...]) -> str:
        """Call the function and wait for its promise, if it returns one; the JSON text of the result.

        The text is as JavaScript wrote it: `\\ud800` may stand for half a character.

        Raises:
            Stopped: there is no result, or it is not JSON.
        """
        function = self._function(name, code)
        values = [self._from_json(text) for text in arguments]
        result = self._settled(self._apply(function, values))
        if self._call("qjs_is_undefined", result):
            return "null"
        text = self._text(self._apply(self._stringify, [result]), self._result_bytes)
        if text == "undefined":
            raise Stopped(Failed("exception", "The function returned something that JSON cannot hold."))
        if text == "null" and self._call("qjs_is_number", result):
            raise Stopped(Failed("exception", "The function returned NaN or Infinity, which JSON cannot hold."))
        return text

    def _function(self, name: str, code: str) -> Value:
        """The function that the code is or declares."""
        builtin = self._named(name)
        value, nameless = None, False
        try:
            value = self._evaluate(code)
        except Stopped as stopped:
            nameless = "function name expected" in str(stopped)
            if not nameless:
                raise
        # A function with the name of a builtin, like escape, is found only when the code is not a function itself.
        named = self._named(name)
        for candidate in (value, named) if builtin else (named, value):
            if self._is_function(candidate):
                return candidate
        # `function (a) {…}` without a name is an expression, but no statement; with a name other than ours it is both.
        try:
            value = self._evaluate(f"({code.rstrip().rstrip(';')}\n)")
        except Stopped:
            if nameless:
                raise
        if self._is_function(value):
            return value
        raise Stopped(Failed("exception", f"The code neither is a function nor declares one with the name {name}."))

    def _is_function(self, value: Value | None) -> TypeGuard[Value]:
        return value is not None and self._call("qjs_is_function", value) != 0

    def _named(self, name: str) -> Value | None:
        """What has this name in the global scope: `const f = …` too, which is not a property of the global object."""
        if not _IDENTIFIER.fullmatch(name):
            return None
        try:
            value = self._evaluate(f"typeof {name} === 'undefined' ? undefined : {name}")
        except Stopped:  # a reserved word
            return None
        return None if self._call("qjs_is_undefined", value) else value

    def _settled(self, value: Value) -> Value:
        """What a promise is kept with; anything else as it is."""
        if not self._call("qjs_is_promise", value):
            return value
        while (state := self._call("qjs_promise_state", value)) == _PENDING:
            if not self._call("qjs_is_job_pending"):
                raise Stopped(Failed("exception", "The function's promise is never kept: nothing is left to run."))
            # A job that throws has nobody to tell: its own promise carries the error.
            self._call("qjs_execute_pending_job")
        result: Value = self._call("qjs_promise_result", value)
        if state == _REJECTED:
            raise Stopped(Failed("exception", self._described(result)))
        return result

    def _evaluate(self, code: str) -> Value:
        source = code.encode()
        return self._checked(self._call("qjs_eval", self._write(source), len(source), self._write(b"function"), 0))

    def _from_json(self, text: str | None) -> Value:
        if text is None:
            undefined: Value = self._call("qjs_get_undefined")
            return undefined
        source = text.encode()
        string = self._checked(self._call("qjs_new_string", self._write(source), len(source)))
        return self._apply(self._parse, [string])

    def _apply(self, function: Value, arguments: list[Value]) -> Value:
        this = self._call("qjs_get_undefined")
        argv = self._write(b"".join(value.to_bytes(4, "little") for value in arguments))
        return self._checked(self._call("qjs_call", function, this, len(arguments), argv))

    def _checked(self, value: Value) -> Value:
        if value == 0:
            raise Stopped(Failed("limit", "The function ran out of memory."))
        if self._call("qjs_is_exception", value):
            raise Stopped(Failed("exception", self._described(self._call("qjs_get_exception"))))
        return value

    def _described(self, exception: Value) -> str:
        """An exception as a line of text. Runs the code's own `toString`, if it has one."""
        try:
            text = self._text(exception, MAX_RESULT_BYTES)
        except Stopped:
            return "The function threw something that has no text, or far too much."
        return text if len(text) <= MAX_ERROR_CHARS else text[:MAX_ERROR_CHARS] + "…"

    def _text(self, value: Value, limit: int) -> str:
        """A value as text. Raises Stopped when it has none, or more than `limit` bytes."""
        where = self._write(bytes(4))
        start = self._call("qjs_get_string_len", value, where) if value else 0
        if start == 0:
            raise Stopped(Failed("exception", "The function returned something that has no text."))
        length = int.from_bytes(self._memory.read(self._store, where, where + 4), "little")
        if length > limit:
            raise Stopped(Failed("limit", f"The function returned {length} bytes of JSON; at most {limit} are read."))
        return bytes(self._memory.read(self._store, start, start + length)).decode(errors="replace")

    def _write(self, data: bytes) -> int:
        """Copy bytes and a NUL into the instance; their address. Never freed: the instance dies with its call."""
        address = self._call("wasm_malloc", len(data) + 1)
        if address == 0:
            raise Stopped(Failed("limit", "The function ran out of memory."))
        self._memory.write(self._store, data + b"\0", address)
        return int(address)

    def _call(self, name: str, *arguments: int) -> int:
        function = self._exports[name]
        assert isinstance(function, wasmtime.Func)
        try:
            result = function(self._store, *arguments)
        except wasmtime.Trap as trap:
            if trap.trap_code is wasmtime.TrapCode.STACK_OVERFLOW:
                raise Stopped(Failed("limit", "The function ran out of stack.")) from None
            raise Stopped(Failed("crash", f"The JavaScript engine broke down: {trap.trap_code}.")) from None
        return result if isinstance(result, int) else 0

    def _host_function(self, item: wasmtime.ImportType) -> wasmtime.Func:
        kind = item.type
        assert isinstance(kind, wasmtime.FuncType)
        match item.name:
            case "clock_time_get":
                return wasmtime.Func(self._store, kind, self._clock)
            case "random_get":
                return wasmtime.Func(self._store, kind, self._random)
            case "host_get_timezone_offset":  # seconds: UTC
                return wasmtime.Func(self._store, kind, lambda *_: 0)
            case "fd_close" | "fd_fdstat_get" | "fd_seek" | "fd_write":
                return wasmtime.Func(self._store, kind, lambda *_: _ERRNO_BADF)
            case "host_promise_rejection":
                return wasmtime.Func(self._store, kind, lambda *_: None)
            case _:  # host_call, host_interrupt, host_module_*: nothing here makes QuickJS use them; 0 is "no"
                return wasmtime.Func(self._store, kind, lambda *_: 0)

    def _clock(self, _clock: int, _precision: int, address: int) -> int:
        """WASI `clock_time_get`: always the time at which the instance was made."""
        self._memory.write(self._store, self._now.to_bytes(8, "little"), address)
        return 0

    def _random(self, address: int, length: int) -> int:
        """WASI `random_get`: the seed of hash tables, a few bytes, once."""
        if length > 256:
            return _ERRNO_NOSYS
        self._memory.write(self._store, os.urandom(length), address)
        return 0
