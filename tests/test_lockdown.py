"""What a process that is locked down could do if the code that reads foreign input did not hold."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from fireside.lockdown import NoLockdown, _filter_system_calls

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
needs_filter = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"), reason="where there is a filter"
)

_PROBE = """
import ctypes, mmap, os, signal, socket, sys, threading
from fireside.lockdown import lock_down
libc = ctypes.CDLL(None, use_errno=True)
outside = os.open({outside!r}, os.O_RDONLY)
def thread():
    threading.Thread(target=int).start()
go, done = threading.Event(), threading.Event()
def elsewhere():
    go.wait()
    try:
        os.open("/etc/passwd", os.O_RDONLY)
        os.write(1, b"other thread\\n")
    except OSError:
        pass
    done.set()
threading.Thread(target=elsewhere, daemon=True).start()
tries = {{
    "file": lambda: open("/etc/passwd"),
    "new file": lambda: os.open({new!r}, os.O_CREAT | os.O_WRONLY),
    "socket": lambda: socket.socket(),
    "pipe": lambda: os.pipe(),
    "fork": lambda: os.fork(),
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "kill": lambda: os.kill(os.getppid(), 0),
    "memory": lambda: bytearray(1 << 30),
    "list": lambda: os.listdir("/"),
    "read": lambda: os.read(outside, 1),
    "code": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
    "limits": lambda: __import__("resource").setrlimit(4, (1, 1)),
    "thread": thread,
}}
lock_down()
for name, attempt in tries.items():
    try:
        attempt()
    except (OSError, MemoryError, RuntimeError, ValueError):
        continue
    os.write(1, name.encode() + b"\\n")
go.set()
done.wait()
os.write(1, b"end\\n")
os._exit(0)
"""


@pytest.fixture
def open_ways(tmp_path: Path) -> list[str]:
    """What a process that is locked down can still do, of all that the probe tries."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    probe = _PROBE.format(outside=str(secret), new=str(tmp_path / "new"))
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    *ways, end = done.stdout.splitlines()
    assert end == "end", done.stderr
    assert not (tmp_path / "new").exists()
    return ways


@needs_filter
def test_the_kernel_refuses_everything_but_computing(open_ways: list[str]) -> None:
    assert open_ways == []


def test_files_and_sockets_are_out_of_reach_everywhere(open_ways: list[str]) -> None:
    assert not {"file", "new file", "socket", "pipe"} & set(open_ways)


_REFUSING = """
import errno, os, sys
from fireside import lockdown
# A parent that lets everything pass but the making of another filter, as some containers do.
number = lockdown._SECCOMP[lockdown._ARCHITECTURES[os.uname().machine][0]]
load, equal, give = lockdown._LOAD, lockdown._IF_EQUAL, lockdown._RETURN
def program(machine, also):
    import struct
    steps = [(load, 0, 0, 0), (equal, 0, 1, number), (give, 0, 0, 0x00050000 | errno.EPERM), (give, 0, 0, 0x7FFF0000)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
lockdown._filter_program = program
lockdown._filter_system_calls(os.uname().machine, ())
"""


@needs_filter
def test_where_the_kernel_refuses_nothing_foreign_runs() -> None:
    """Functions are refused when the server starts, grammars and chat templates when the first one comes."""
    probe = (
        _REFUSING
        + """
from fireside.api.app import _check_sandbox
from fireside.engine.grammar.checker import GrammarChecker
from fireside.chat.templates.messages import Job, JobMessage
from fireside.chat.templates.renderer import TemplateRenderer
from fireside.errors import ConfigError, EngineFailed
attempts = (
    (_check_sandbox, ConfigError),
    (lambda: GrammarChecker().fault('start: "a"'), EngineFailed),
    (lambda: TemplateRenderer().render(Job("", [JobMessage("user", "")])), EngineFailed),
)
assert not lockdown.can_lock_down()
for attempt, refusal in attempts:
    try:
        attempt()
    except refusal as error:
        assert "seccomp" in str(error), error
    else:
        raise AssertionError(attempt)
"""
    )
    subprocess.run([sys.executable, "-c", probe], check=True, timeout=60)


@needs_filter
def test_nor_does_it_where_there_is_no_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(NoLockdown, match="riscv64"):
        _filter_system_calls(platform.machine(), ())
