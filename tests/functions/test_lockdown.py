"""The second wall: what a sandbox process could do if WebAssembly did not hold."""

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")

_PROBE = """
import ctypes, mmap, os, signal, socket, sys, threading
from fireside.functions.lockdown import lock_down
libc = ctypes.CDLL(None, use_errno=True)
outside = os.open({outside!r}, os.O_RDONLY)
def thread():
    threading.Thread(target=int).start()
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
os.write(1, b"end\\n")
os._exit(0)
"""


@pytest.fixture
def open_ways(tmp_path):
    """What a process that is locked down can still do, of all that the probe tries."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    probe = _PROBE.format(outside=str(secret), new=str(tmp_path / "new"))
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    *ways, end = done.stdout.splitlines()
    assert end == "end", done.stderr
    assert not (tmp_path / "new").exists()
    return ways


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"), reason="where there is a filter"
)
def test_the_kernel_refuses_everything_but_computing(open_ways):
    assert open_ways == []


def test_files_and_sockets_are_out_of_reach_everywhere(open_ways):
    assert not {"file", "new file", "socket", "pipe"} & set(open_ways)
