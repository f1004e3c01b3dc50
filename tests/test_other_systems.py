"""Systems that these tests do not run on: every module can be imported without what only POSIX or Linux has.

A stand-in for them, not a proof: macOS and Windows themselves are untested.
"""

import subprocess
import sys

import pytest

PROGRAM = """
import importlib, mmap, os, pkgutil, signal, socket, sys, time
import fireside

def modules():
    found = [module.name for module in pkgutil.walk_packages(fireside.__path__, "fireside.")]
    return [name for name in found if "versions." not in name]

# Once as it is here, so that all libraries are there; then again without what the other system lacks.
skipped = {"fireside.store.migrations.env", "fireside.__main__"}
names = [name for name in modules() if name not in skipped]
for name in names:
    importlib.import_module(name)
for name in [name for name in sys.modules if name.partition(".")[0] == "fireside"]:
    del sys.modules[name]
system = sys.argv[1]
gone = {
    "win32": {
        os: ["fork", "killpg", "getuid", "geteuid", "getpgid", "setsid", "sched_getaffinity", "sysconf", "mkfifo",
             "wait3", "O_NOFOLLOW", "O_DIRECTORY", "fchmod", "chown", "register_at_fork", "posix_fadvise", "uname"],
        signal: ["SIGKILL", "SIGALRM", "SIGHUP", "SIGPROF", "SIGXCPU", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGCHLD",
                 "setitimer", "ITIMER_PROF", "ITIMER_REAL", "pthread_sigmask", "alarm", "pause"],
        mmap: ["MAP_PRIVATE", "MAP_ANONYMOUS", "MAP_SHARED", "MADV_DONTNEED", "PROT_READ", "PROT_WRITE"],
        socket: ["AF_UNIX", "TCP_USER_TIMEOUT", "SO_REUSEPORT"],
        time: ["tzset", "clock_gettime"],
    },
    "darwin": {
        os: ["sched_getaffinity", "posix_fallocate", "posix_fadvise", "memfd_create"],
        mmap: ["MAP_NORESERVE", "MAP_POPULATE"],
        socket: ["TCP_USER_TIMEOUT", "TCP_KEEPIDLE"],
    },
}[system]
for module, attributes in gone.items():
    for attribute in attributes:
        if hasattr(module, attribute):
            delattr(module, attribute)
for name in ["fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "uvloop"] if system == "win32" else []:
    sys.modules[name] = None
sys.platform = system
for name in names:
    importlib.import_module(name)
print(len(names), "modules")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="imitates the others")
@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_every_module_can_be_imported_elsewhere(system: str) -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", PROGRAM, system], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) > 100
