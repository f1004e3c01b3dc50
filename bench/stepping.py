"""Fireside's embedded engine in this process, advanced by hand: so steps can be counted, and timed one by one."""

import gc
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.fireside_engine import SAMPLING
from bench.workload import Unavailable
from fireside.engine.onnx import ENGINE
from fireside.engine.onnx.options import OnnxOptions
from fireside.engine.runner import Runner
from fireside.engine.types import GenerationRequest, Sampling
from fireside.errors import FiresideError

_SAVING = "save packed weights"


class Stepper:
    """A loaded engine.

    Args:
        runner: what the engine's process would drive.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._last_id = 0
        self.steps = 0

    def submit(self, prompt_ids: Sequence[int], max_tokens: int, sampling: Sampling = SAMPLING) -> int:
        """Queue a request without stop tokens; returns its id."""
        self._last_id += 1
        request = GenerationRequest(prompt_ids=list(prompt_ids), max_tokens=max_tokens, sampling=sampling)
        self._runner.submit(self._last_id, request)
        return self._last_id

    def step(self) -> list[int]:
        """Advance by one step; the ids of the requests that got a token. Raises Unavailable when one failed."""
        self.steps += 1
        outcomes = self._runner.step()
        for _, outcome in outcomes:
            if isinstance(outcome, FiresideError):
                raise Unavailable(str(outcome))
        return [request_id for request_id, _ in outcomes]

    def until_token(self, request_id: int) -> None:
        """Advance until this request gets its next token."""
        while request_id not in self.step():
            if not self._runner.busy:
                raise Unavailable(f"request {request_id} has ended")

    def drain(self) -> None:
        """Advance until nothing is left to do."""
        while self._runner.busy:
            self.step()

    def close(self) -> None:
        """Give back the weights and the KV cache, which the next engine needs the memory of."""
        del self._runner
        gc.collect()

    def cancel(self, request_ids: Sequence[int]) -> None:
        """Forget these requests."""
        for request_id in request_ids:
            self._runner.cancel(request_id)


@contextmanager
def open_stepper(options: OnnxOptions) -> Iterator[Stepper]:
    """A freshly loaded engine, which has made one short answer: what is left for the first request is not speed.

    Repacked weights are on disk before it is given out, as saving them takes time from the steps. Raises Unavailable.
    """
    try:
        stepper = Stepper(ENGINE.make_runner(options, lambda phase, done, total: None))
    except FiresideError as error:
        raise Unavailable(str(error)) from error
    for thread in threading.enumerate():
        if thread.name == _SAVING:
            thread.join()
    stepper.submit([1, 2, 3], 2)
    stepper.drain()
    try:
        yield stepper
    finally:
        stepper.close()


def seconds_of(stepper: Stepper, steps: int) -> float:
    """Seconds that each of so many steps took, in the mean."""
    began = time.perf_counter()
    for _ in range(steps):
        stepper.step()
    return (time.perf_counter() - began) / steps
