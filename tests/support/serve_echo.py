"""A whole server in a process of its own, with the real service and the echo engine; prints its URL.

Settings come from the environment (FIRESIDE_*).
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fireside.api.app import create_app
from fireside.api.http.server import serve
from fireside.catalog.loader import Catalog
from fireside.serving.service import Service
from fireside.settings import load_settings
from fireside.store.store import Store


def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    settings = load_settings(port=0)
    service = Service(settings, Catalog.from_settings(settings))

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        await service.load("@hf/fireside/echo")
        yield
        await service.close()

    with Store(settings.data_dir / "store.db") as store:
        app = create_app(settings, service, store)
        serve(app, settings, lifespan=around(), listening=lambda url: print(url, flush=True))
    print("ended", flush=True)


if __name__ == "__main__":
    main()
