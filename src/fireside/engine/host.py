"""The engine process: `python -m fireside.engine.host`, spoken to over what were its standard input and output.

It ends when its input ends, so a server that is killed leaves no engine behind. It may run in another Python
environment than the server's: it needs nothing but msgspec and what the engine that it is told to load imports.
"""

import logging
import os
import queue
import signal
import sys
import threading
from typing import BinaryIO

import msgspec

from fireside.engine.error_codec import encode_error
from fireside.engine.memory import resident_memory
from fireside.engine.messages import (
    HEADER,
    MAX_STEPS_AHEAD,
    AskStats,
    Cancel,
    FromEngine,
    GenerationFailed,
    Load,
    LoadFailed,
    Loading,
    Ready,
    Stats,
    Submit,
    Taken,
    ToEngine,
    Tokens,
    encode_frame,
    frame_length,
    to_engine_decoder,
)
from fireside.engine.registry import engine_type
from fireside.engine.runner import Runner
from fireside.engine.types import Token
from fireside.errors import EngineFailed, FiresideError

logger = logging.getLogger(__name__)

UNREADABLE = 3
"""Exit status of an engine that cannot read what it is sent."""


class Channel:
    """Frames over a pair of byte streams."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source = source
        self._sink = sink

    def read(self) -> ToEngine | None:
        """The next message, or None at the end of input."""
        header = self._source.read(HEADER.size)
        if len(header) < HEADER.size:
            return None
        body = self._source.read(frame_length(header))
        return to_engine_decoder.decode(body)

    def write(self, message: FromEngine) -> None:
        self._sink.write(encode_frame(message))
        self._sink.flush()


def _own_standard_streams() -> tuple[BinaryIO, BinaryIO]:
    """Take the pipes for ourselves, as descriptors that no child inherits: whatever a library prints goes to standard
    error instead of into the frames, and whatever one reads is empty."""
    source = os.fdopen(os.dup(0), "rb")
    sink = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return source, sink


def _pump(channel: Channel, inbox: "queue.SimpleQueue[ToEngine]") -> None:
    """Move messages to the inbox until the server is gone; then end the process, even in the middle of a step."""
    try:
        while (message := channel.read()) is not None:
            inbox.put(message)
    except Exception:
        logger.exception("invalid message from the server; the engine exits")
        os._exit(UNREADABLE)
    _end_all()


def _end_all() -> None:
    """End this process and those that the engine has started, whatever they are doing."""
    if sys.platform != "win32" and os.getsid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def _handle(message: ToEngine, runner: Runner, channel: Channel) -> None:
    match message:
        case Submit(request_id, request):
            try:
                runner.submit(request_id, request)
            except Exception as error:
                channel.write(GenerationFailed(request_id, encode_error(error)))
        case Cancel(request_id):
            runner.cancel(request_id)
        case AskStats():
            channel.write(Stats(msgspec.structs.replace(runner.stats(), memory=resident_memory())))
        case Taken():
            pass  # counted by `run`
        case Load():
            raise ValueError("a model is loaded already")


def _step(runner: Runner, channel: Channel) -> int:
    """Returns how many messages of tokens were written."""
    outcomes = runner.step()
    if tokens := [(request_id, outcome) for request_id, outcome in outcomes if isinstance(outcome, Token)]:
        channel.write(Tokens(tokens))
    for request_id, outcome in outcomes:
        if not isinstance(outcome, Token):
            channel.write(GenerationFailed(request_id, encode_error(outcome)))
    return 1 if tokens else 0


def run(channel: Channel) -> None:
    """Load, then serve until the input ends."""
    first = channel.read()
    if not isinstance(first, Load):
        return
    inbox: queue.SimpleQueue[ToEngine] = queue.SimpleQueue()
    threading.Thread(target=_pump, args=(channel, inbox), daemon=True, name="inbox").start()
    try:
        engine = engine_type(first.kind)
        options = msgspec.msgpack.decode(first.options, type=engine.options)
        runner = engine.make_runner(options, lambda phase, done, total: channel.write(Loading(phase, done, total)))
    except FiresideError as error:
        channel.write(LoadFailed(encode_error(error)))
        return
    except Exception as error:
        logger.exception("loading failed")
        failed = EngineFailed(f"Loading failed ({type(error).__name__}). The server's log says more.")
        channel.write(LoadFailed(encode_error(failed)))
        return
    channel.write(Ready(runner.info))
    ahead = 0
    while True:
        if not runner.busy or ahead >= MAX_STEPS_AHEAD or not inbox.empty():
            message = inbox.get()
            ahead -= isinstance(message, Taken)
            _handle(message, runner, channel)
        else:
            ahead += _step(runner, channel)


def main() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    # Ctrl-C in a terminal reaches the whole process group; the server decides when engines end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source, sink = _own_standard_streams()
    try:
        run(Channel(source, sink))
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
