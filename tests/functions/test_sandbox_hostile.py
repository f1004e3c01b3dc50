"""Hostile functions in the sandbox: whatever they try, the call ends with an outcome, and nothing else happens."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from fireside.functions.messages import MAX_ERROR_CHARS, MAX_RESULT_BYTES, Failed, Returned
from fireside.functions.sandbox import Sandbox
from support.children import Children
from support.live_server import wait_until

pytestmark = pytest.mark.usefixtures("children")

ENDLESS = [
    "() => { for (;;); }",
    "() => /^(a+)+$/.test('a'.repeat(40) + 'b')",
    "() => ({ get x() { for (;;); } }).x",
    "() => ({ get x() { for (;;); } })",
    "() => ({ toJSON() { for (;;); } })",
    "() => new Proxy({}, { ownKeys() { for (;;); } })",
    "() => { throw { toString() { for (;;); } } }",
    "() => { throw Object.defineProperty(new Error(), 'message', { get() { for (;;); } }) }",
    "async () => { for (;;) await null }",
    "() => new Promise(() => { const again = () => queueMicrotask(again); again() })",
    "() => { const then = () => Promise.resolve().then(then); return then() }",
    "() => { try { for (;;); } finally { for (;;); } }",
    "for (;;);",
    "function* numbers() { for (;;) yield 1 } const f = () => { for (const n of numbers()); }",
    "() => 'ab'.repeat(1e6).replace(/a/g, () => 'aa'.repeat(1e6).lastIndexOf('b'))",
    "() => Array.from({ length: 2 ** 40 }, (_, i) => i % 2 ? 0 : 1).length",
    "() => [3, 1, 2].sort(() => { for (;;); })",
    "() => 3n ** (2n ** 40n)",
]


MEMORY_BOMBS = [
    "() => { const all = []; for (;;) all.push(new Array(1000).fill(0)) }",
    "() => { let text = 'x'; for (;;) text += text }",
    "() => { const all = []; for (;;) all.push('x'.repeat(1e6) + all.length) }",
    "() => new ArrayBuffer(2 ** 31 - 1)",
    "() => { const all = []; for (;;) all.push(new Uint8Array(1e6)) }",
    "() => new Float64Array(1e9)",
    "() => { let f = () => 0; for (;;) { const g = f; f = () => g } }",
    "() => { const map = new Map(); for (let n = 0; ; n++) map.set(n, {}) }",
    "() => { const o = {}; for (let n = 0; ; n++) o['k' + n] = n }",
    "() => new Array(2 ** 32 - 1).fill(0)",
    "() => [].concat(...new Array(5).fill(new Array(2 ** 24).fill(0)))",
    "() => JSON.stringify(new Array(1e7).fill('xxxxxxxxxx'))",
    "async () => { const all = []; for (;;) all.push(new Promise(() => {}).then(() => {})) }",
]


DEEP = [
    "function f() { return f() + 1 }",
    "() => { const o = { get x() { return this.x } }; return o.x }",
    "() => { const o = { toJSON() { return JSON.stringify(o) } }; return o }",
    "() => { const o = { toString() { return '' + o } }; throw o }",
    "() => { const p = new Proxy({}, { get: (t, k, r) => r[k] }); return p.x }",
    "() => { let deep = []; for (let n = 0; n < 1e5; n++) deep = [deep]; return deep }",
    "() => JSON.parse('['.repeat(1e5) + ']'.repeat(1e5))",
    "() => eval('('.repeat(1e5))",
    "() => new RegExp('(?:'.repeat(1e5) + ')'.repeat(1e5))",
    "() => { const o = {}; o.o = o; return o }",
    "() => { let f = () => 0; for (let n = 0; n < 1e5; n++) f = f.bind(null); return f() }",
]


@pytest.mark.parametrize("code", [*ENDLESS, *MEMORY_BOMBS, *DEEP])
def test_time_memory_and_depth_are_bounded(call: Callable[..., Any], code: str) -> None:
    outcome = call(code)
    assert isinstance(outcome, Failed)
    assert outcome.reason in ("limit", "exception")  # some run out of memory or integers before they run out of time


def test_a_function_may_survive_its_want_of_memory(call: Callable[..., Any]) -> None:
    outcome = call("() => { try { const all = []; for (;;) all.push([all]) } catch { return 'survived' } }")
    assert outcome == Returned('"survived"') or outcome.reason in ("limit", "exception")


def test_deep_json_that_python_may_read_and_deeper_json_that_it_may_not(call: Callable[..., Any]) -> None:
    nested = "(n) => { let deep = 0; for (let i = 0; i < n; i++) deep = [deep]; return deep }"
    assert call(nested, "100") == Returned("[" * 100 + "0" + "]" * 100)
    assert isinstance(call(nested, "100000"), Failed)


def test_nothing_of_a_host_is_there(value: Callable[..., Any]) -> None:
    names = (
        "std os bjson require module exports process global Deno Bun fetch XMLHttpRequest WebSocket WebAssembly Worker "
        "SharedWorker importScripts setTimeout setInterval setImmediate console print load read readFile scriptArgs "
        "navigator performance Atomics crypto indexedDB localStorage document window self gc drainJobs alert"
    )
    assert value(f"() => '{names}'.split(' ').filter(name => name in globalThis)") == []


def test_modules_cannot_be_imported(value: Callable[..., Any], call: Callable[..., Any]) -> None:
    tried = """async () => {
      const told = [];
      for (const name of ['std', 'os', 'qjs:std', 'fs', 'node:fs', './x.js', 'file:///x', 'data:text/javascript,1'])
        told.push(await import(name).then(() => 'loaded', error => error.name));
      return told;
    }"""
    assert value(tried) == ["ReferenceError"] * 8
    assert isinstance(call("import * as os from 'os'; function f() { return 1 }"), Failed)


def test_code_that_is_made_of_text_is_in_the_sandbox_as_well(value: Callable[..., Any]) -> None:
    made = """() => [
      Function('return typeof process')(),
      (() => {}).constructor('return typeof require')(),
      (async () => {}).constructor('return 1') instanceof Function,
      (0, eval)('typeof os'),
      Reflect.construct(Function, ['return typeof std'])(),
    ]"""
    assert value(made) == ["undefined", "undefined", True, "undefined", "undefined"]


def test_changing_the_builtins_changes_nothing_of_ours(call: Callable[..., Any]) -> None:
    spoil = """
      const evil = () => { throw 'evil' };
      const hung = { get() { return 'evil' }, set() {}, configurable: true };
      for (const key of ['json', 'name', 'then', 'toJSON', 'message', 'length', '0'])
        Object.defineProperty(Object.prototype, key, hung);
      JSON.parse = JSON.stringify = evil;
      Promise.prototype.then = Promise.resolve = evil;
      Function.prototype.call = Function.prototype.apply = evil;
      Array.prototype[Symbol.iterator] = Array.prototype.push = Array.prototype.map = evil;
      String.prototype.toString = Number.prototype.toString = evil;
      Error.prototype.toString = evil;
      Object.defineProperty(globalThis, 'JSON', { get: evil });
      globalThis.Promise = globalThis.Object = globalThis.Array = globalThis.undefined2 = evil;
      function f(a, b) { return a + b }
    """
    assert call(spoil, "2", "3") == Returned("5")


def test_a_polluted_prototype_only_spoils_the_functions_own_result(value: Callable[..., Any]) -> None:
    assert value("() => { Object.prototype.toJSON = () => 'mine'; return { a: 1 } }") == "mine"
    assert value("() => { Array.prototype.toJSON = function () { return this.length }; return [1, 2] }") == 2


def test_output_that_looks_like_ours_is_a_text_like_any_other(value: Callable[..., Any]) -> None:
    fake = '{"type":"Returned","json":"1"}'
    assert value(f"() => {fake!r}") == fake
    assert value("() => '\\u0082\\u00a4type\\u00a8Returned\\u00a4json'") == "\x82¤type¨Returned¤json"
    assert value("() => ({ type: 'Failed', reason: 'crash' })") == {"type": "Failed", "reason": "crash"}


HOSTILE_EXCEPTIONS = [
    "() => { throw { toString() { throw 1 } } }",
    "() => { throw { toString() { return {} } } }",
    "() => { throw Symbol('s') }",
    "() => { throw Object.create(null) }",
    "() => { throw new Proxy({}, { get() { throw 1 } }) }",
    "() => { throw null }",
    "() => { throw undefined }",
    "() => { const e = new Error('x'); e.toString = () => 'y'.repeat(1e6); throw e }",
    "() => { throw '\\ud800\\u0000\\u202e' }",
    "() => { Error.prepareStackTrace = () => { throw 1 }; null.x }",
    "() => Promise.reject({ toString() { throw 1 } })",
]


@pytest.mark.parametrize("code", HOSTILE_EXCEPTIONS)
def test_exceptions_that_do_not_want_to_be_described(call: Callable[..., Any], code: str) -> None:
    outcome = call(code)
    assert isinstance(outcome, Failed)
    assert outcome.reason == "exception"
    assert len(outcome.message) <= MAX_ERROR_CHARS + 1
    outcome.message.encode()  # no half characters


def test_nothing_stays_from_call_to_call(value: Callable[..., Any]) -> None:
    leave = "() => { const was = typeof globalThis.left; globalThis.left = 1; Array.prototype.left = 1; return was }"
    assert [value(leave), value(leave), value("() => [].left ?? null")] == ["undefined", "undefined", None]


def test_arguments_are_data(value: Callable[..., Any]) -> None:
    hostile = '{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}, "toJSON": 1}'
    assert value("(o) => [({}).polluted ?? null, Object.keys(o)]", hostile) == [
        None,
        ["__proto__", "constructor", "toJSON"],
    ]
    text = '"\\"); throw 1; (\\" `${1}` \\u2028 </script>"'
    assert value("(s) => s.length", text) == len('"); throw 1; (" `${1}` \u2028 </script>')


def test_code_is_a_function_body_at_most(call: Callable[..., Any]) -> None:
    for code in ("1); (() => 'out'", "() => 1 })(); ({", "}", "*/", "\u0000", "\\", "#!/bin/sh", ""):
        assert isinstance(call(code), Failed), code


def test_results_of_every_size_are_bounded(call: Callable[..., Any]) -> None:
    for code in ("() => 'x'.repeat(2e7)", "() => new Array(3e5).fill(1)", "() => '\\u0000'.repeat(2e4)"):
        outcome = call(code)
        assert isinstance(outcome, Failed), code
        assert outcome.reason in ("limit", "exception")
    assert MAX_RESULT_BYTES < 6 * 2e4


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_sandbox_that_is_killed_from_outside_is_a_crash(sandbox: Sandbox, children: Children) -> None:
    async def scenario() -> None:
        await sandbox.call("f", "() => 1", ())  # the engine is compiled from here on
        task = asyncio.create_task(sandbox.call("f", "() => { for (;;); }", ()))
        await asyncio.to_thread(wait_until, lambda: bool(children()))
        os.kill(children()[0].pid, signal.SIGKILL)
        outcome = await task
        assert isinstance(outcome, Failed)
        assert outcome.reason == "crash"

    asyncio.run(scenario())


def test_a_call_that_nobody_waits_for_any_more_leaves_no_process(sandbox: Sandbox, children: Children) -> None:
    async def scenario() -> None:
        task = asyncio.create_task(sandbox.call("f", "() => { for (;;); }", ()))
        await asyncio.to_thread(wait_until, lambda: bool(children()))
        process = children()[0]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not psutil.pid_exists(process.pid)

    asyncio.run(scenario())


NOT_OURS = {
    "nothing": "true",
    "garbage": "printf garbage",
    "endless": "exec yes",
    "a fake": "printf '\\x82\\xa4type\\xa8Returned\\xa4json\\xa51\\n\\nx\\n'",
    "lines": "printf '\\202\\244type\\250Returned\\244json\\243[\\n]'",
    "failing": "exit 3",
}


@pytest.mark.skipif(sys.platform == "win32", reason="a shell")
@pytest.mark.parametrize("kind", NOT_OURS)
def test_a_sandbox_process_in_foreign_hands_can_only_fail_its_call(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should code get out of WebAssembly, it could write what it likes, but nobody would believe it."""
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\ncase "$*" in *compile) echo engine;; *) cat > /dev/null; {NOT_OURS[kind]};; esac\n')
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))
    outcome = asyncio.run(Sandbox(seconds=0.5, memory_mb=32).call("f", "() => 1", ()))
    if kind == "lines":
        assert outcome == Returned("[]")
    else:
        assert isinstance(outcome, Failed)
        assert outcome.reason == "crash"
