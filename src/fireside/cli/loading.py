"""Loads a model and shows how far it is."""

import asyncio

from fireside.cli.progress import shown_progress
from fireside.serving.service import Service

POLL_SECONDS = 0.1


async def load_shown(service: Service, model: str) -> None:
    """Load the model. Raises ModelError leaves and EngineFailed."""
    loading = asyncio.create_task(service.load(model))
    try:
        with shown_progress(in_bytes=False) as progress:
            while not (await asyncio.wait([loading], timeout=POLL_SECONDS))[0]:
                status = await service.status(model)
                if status.state == "loading" and status.progress is not None:
                    progress(f"Loading {model}: {status.detail}", round(status.progress * 1000), 1000)
    finally:
        loading.cancel()
        await asyncio.gather(loading, return_exceptions=True)
    await loading
