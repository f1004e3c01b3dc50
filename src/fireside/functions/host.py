"""The sandbox process: `python -m fireside.functions.host` reads one Job, writes one Outcome and ends.

With the argument "compile" it writes the compiled JavaScript engine instead, which the server then sends with every
job: a process that has it starts in a fraction of a second.
"""

import os
import signal
import sys

from fireside.functions.machine import Machine, Stopped, compile_engine
from fireside.functions.messages import Job, Outcome, Returned, encode, job_decoder
from fireside.lockdown import lock_down, start_clock


def run(job: Job) -> Outcome:
    """Do the job. From here on this process may do next to nothing but compute."""
    try:
        machine = Machine(job.engine, job.memory_bytes, job.result_bytes)
        start_clock(job.seconds)
        lock_down()
        return Returned(machine.run(job.name, job.code, job.arguments))
    except Stopped as stopped:
        return stopped.failed


def main() -> None:
    # Ctrl-C in a terminal reaches the whole process group; the server decides when a call ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.argv[1:] == ["compile"]:
        sys.stdout.buffer.write(compile_engine())
        return
    outcome = run(job_decoder.decode(sys.stdin.buffer.read()))
    answer = memoryview(encode(outcome))
    while answer:
        answer = answer[os.write(1, answer) :]
    os._exit(0)  # no tidying up: that would want system calls which are closed by now


if __name__ == "__main__":
    main()
