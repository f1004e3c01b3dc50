"""What a child process gives up before it reads what strangers wrote.

On Linux (x86-64 and ARM64) the kernel lets the process compute, use memory and write to what is open already, and
refuses everything else: no files, no sockets, no processes, no new machine code. A Linux where that wall cannot be
built is refused. On other systems of the POSIX kind there are resource limits alone; on Windows there is nothing but
the server's own stop-watch.

`python -m fireside.lockdown` finds out whether this machine can do it: its exit status is then 0.
"""

import ctypes
import faulthandler
import math
import os
import platform
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from fireside import child

if sys.platform != "win32":
    import resource

SPARE_MEMORY = 64 * 1024 * 1024
"""Bytes of address space that this process may add to what it has when it is locked down."""


class NoLockdown(OSError):
    """The kernel refuses the filter, or there is none for this kind of processor."""


# System calls by name, with their numbers on x86-64 and on ARM64.
# Source: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h of Linux.
_ALLOWED = {
    "write": (1, 64),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "exit": (60, 93),
    "sigaltstack": (131, 132),
    "gettid": (186, 178),
    "futex": (202, 98),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "exit_group": (231, 94),
    "getrandom": (318, 278),
}
_ON_DEMAND = {"read": (0, 63), "setitimer": (38, 103)}
_ALLOWED_UNLESS_EXECUTABLE = {"mmap": (9, 222), "mprotect": (10, 226)}
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column above, AUDIT_ARCH_*

_SECCOMP = (317, 277)
_PR_SET_NO_NEW_PRIVS, _SET_MODE_FILTER, _ALL_THREADS = 38, 1, 1  # SECCOMP_FILTER_FLAG_TSYNC
_LOAD, _IF_EQUAL, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06  # classic BPF: LD|W|ABS, JMP|JEQ|K, JMP|JSET|K, RET|K
_KILL, _REFUSE, _ALLOW = 0x80000000, 0x00050000 | 1, 0x7FFF0000  # KILL_PROCESS, ERRNO with EPERM, ALLOW
_NUMBER, _ARCH, _PROTECTION = 0, 4, 32  # offsets in struct seccomp_data: nr, arch, args[2]
_PROT_EXEC = 4


def end_at_time_limits() -> None:
    """Let the time limits end this process, whatever it is doing then. Called once, at its start."""
    if sys.platform != "win32":
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


def set_time_limits(cpu_seconds: float, wall_seconds: float) -> None:
    """Have the system end this process after so much processor time, or so much time by the clock; 0 calls it off.

    Windows can only count the latter.
    """
    if sys.platform == "win32":
        if wall_seconds:
            faulthandler.dump_traceback_later(wall_seconds, exit=True, file=sys.stderr)
        else:
            faulthandler.cancel_dump_traceback_later()
        return
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    signal.setitimer(signal.ITIMER_REAL, wall_seconds)


def start_clock(seconds: float) -> None:
    """Have the kernel end this process after so much more processor time: by SIGPROF, or later by SIGXCPU."""
    if sys.platform == "win32":
        return
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    last = math.ceil(time.process_time() + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (last, last))


def lock_down(*, memory: int = SPARE_MEMORY, also: Iterable[str] = ()) -> None:
    """Give up all that computing does not need, in every thread. Cannot be undone.

    Args:
        memory: bytes of address space that the process may still add.
        also: system calls that stay: "read" (from what is open already), "setitimer".

    Raises NoLockdown, on Linux alone.
    """
    if sys.platform == "win32":
        return
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(limit, (0, 0))
    if sys.platform == "linux":
        _filter_system_calls(platform.machine(), also)


def _filter_system_calls(machine: str, also: Iterable[str]) -> None:
    """Let the kernel refuse all system calls but those above."""
    if machine not in _ARCHITECTURES:
        raise NoLockdown(f"there is no filter of system calls for {machine}")
    program = _filter_program(machine, also)
    instructions = ctypes.create_string_buffer(program, len(program))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions)))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.syscall.argtypes = [ctypes.c_long] * 3 + [ctypes.c_void_p]
    number = _SECCOMP[_ARCHITECTURES[machine][0]]
    if libc.syscall(number, _SET_MODE_FILTER, _ALL_THREADS, ctypes.addressof(header)) != 0:
        raise NoLockdown(f"the kernel refuses to filter system calls (seccomp): {os.strerror(ctypes.get_errno())}")


def _filter_program(machine: str, also: Iterable[str]) -> bytes:
    """The filter in classic BPF. See seccomp(2), which has one much like it."""
    column, architecture = _ARCHITECTURES[machine]
    free = [numbers[column] for numbers in (*_ALLOWED.values(), *(_ON_DEMAND[name] for name in also))]
    checked = [numbers[column] for numbers in _ALLOWED_UNLESS_EXECUTABLE.values()]
    tests = len(free) + len(checked)  # then follow: refuse, load, test, allow, refuse
    program = [(_LOAD, 0, 0, _ARCH), (_IF_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, _NUMBER)]
    for place, number in enumerate(free + checked):
        left = tests - place - 1  # tests to jump over
        program.append((_IF_EQUAL, left + (3 if place < len(free) else 1), 0, number))
    program += [
        (_RETURN, 0, 0, _REFUSE),
        (_LOAD, 0, 0, _PROTECTION),
        (_IF_ANY_BIT, 1, 0, _PROT_EXEC),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def can_lock_down() -> bool:
    """Whether a process on this machine can be locked down; found out by one."""
    done = subprocess.run(child.command(__name__), env=child.environment(), capture_output=True, check=False)  # noqa: S603
    return done.returncode == 0


if __name__ == "__main__":
    lock_down()
    os._exit(0)  # no tidying up: that would want system calls which are closed by now
