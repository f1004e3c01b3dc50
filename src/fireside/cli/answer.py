"""Prints one answer as it is made."""

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass

import typer

from fireside.cli.answerers import Answerer, Body
from fireside.cli.loading import load_shown
from fireside.serving.types import Delta, ModelStatus

_TERMINAL_CONTROLS = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


@dataclass(slots=True)
class Written:
    """What has been printed of an answer so far."""

    text: str = ""
    cut: bool = False


async def print_answer(answerer: Answerer, body: Body) -> None:
    """Load the model, write its answer to standard output, and give everything back. Raises FiresideError leaves."""
    try:
        await print_pieces(answerer.answer(body), answerer.model, answerer.load, answerer.status)
    finally:
        await answerer.close()


async def print_pieces(
    deltas: AsyncGenerator[Delta, None],
    model: str,
    load: Callable[[], Coroutine[object, object, None]],
    status: Callable[[], Awaitable[ModelStatus]],
) -> None:
    """Load the model, on a terminal in sight, and write an answer of it. Raises FiresideError leaves."""
    if sys.stderr.isatty():
        await load_shown(model, load(), status)
    written = Written()
    await write_answer(deltas, written)
    if written.cut:
        typer.echo("(cut off; --max-tokens allows more)", err=True)


async def write_answer(deltas: AsyncGenerator[Delta, None], written: Written) -> None:
    """Write one answer and a line's end to standard output, as it is made. Raises FiresideError leaves.

    Args:
        written: takes the text as the model wrote it; what came stays there when this is cancelled.
    """
    # A model may say escape sequences; a terminal would obey them.
    drop = _TERMINAL_CONTROLS if sys.stdout.isatty() else {}
    async with aclosing(deltas):
        async for delta in deltas:
            written.text += delta.text
            written.cut = delta.finish_reason == "length"
            sys.stdout.write(delta.text.translate(drop))
            sys.stdout.flush()
            if delta.finish_reason:
                sys.stdout.write("\n")
