"""Shows how far a model's load is."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine

from fireside.cli.progress import shown_progress
from fireside.serving.types import ModelStatus

POLL_SECONDS = 0.1


async def load_shown(
    model: str, load: Coroutine[object, object, None], status: Callable[[], Awaitable[ModelStatus]]
) -> None:
    """Await the load, and show meanwhile what the model's status says. Raises ModelError leaves and EngineFailed."""
    loading = asyncio.create_task(load)
    try:
        with shown_progress(in_bytes=False) as progress:
            while not (await asyncio.wait([loading], timeout=POLL_SECONDS))[0]:
                now = await status()
                if now.state == "loading":
                    share = 0 if now.progress is None else round(now.progress * 1000)
                    progress(f"Loading {model}: {now.detail}", share, 0 if now.progress is None else 1000)
    finally:
        loading.cancel()
        await asyncio.gather(loading, return_exceptions=True)
    await loading
