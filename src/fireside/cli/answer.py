"""Prints one answer as it is made."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

import typer

from fireside.api.inputs import parse_input, to_request
from fireside.catalog.loader import Catalog
from fireside.cli.common import fetch, find_model
from fireside.cli.loading import load_shown
from fireside.serving.service import Service
from fireside.serving.types import Delta, TextRequest
from fireside.settings import Settings

_TERMINAL_CONTROLS = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def print_answer(settings: Settings, model: str, body: dict[str, object], *, no_pull: bool) -> None:
    """Fetch the model when it is missing, load it, and write its answer to standard output.

    Args:
        body: the request's JSON object, as the API takes it; the same bounds hold.

    Raises FiresideError leaves.
    """
    catalog = Catalog.from_settings(settings)
    spec = find_model(catalog, model)
    request = to_request(spec.id, parse_input(body), "")
    fetch(spec, settings, no_pull)
    asyncio.run(_answer(Service(settings, catalog), request))


async def _answer(service: Service, request: TextRequest) -> None:
    try:
        await write_answer(service, request)
    finally:
        await service.close()


async def write_answer(service: Service, request: TextRequest) -> None:
    """Write one answer and a line's end to standard output, as it is made. Raises FiresideError leaves."""
    # A model may say escape sequences; a terminal would obey them.
    drop = _TERMINAL_CONTROLS if sys.stdout.isatty() else {}
    if sys.stderr.isatty():
        await load_shown(service, request.model)
    deltas = cast(AsyncGenerator[Delta, None], service.generate(request))
    async with aclosing(deltas):
        async for delta in deltas:
            sys.stdout.write(delta.text.translate(drop))
            sys.stdout.flush()
            if delta.finish_reason:
                sys.stdout.write("\n")
            if delta.finish_reason == "length":
                typer.echo(f"(cut off at {request.max_tokens} tokens; --max-tokens allows more)", err=True)
