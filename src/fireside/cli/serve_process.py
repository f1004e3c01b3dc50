"""Runs the server: checks what it needs, fetches and loads the first model, and says how to use it."""

import asyncio
import ipaddress
import logging
import shlex
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import typer

from fireside import __version__
from fireside.addresses import is_loopback
from fireside.api.app import create_app
from fireside.api.context import Control
from fireside.api.http.auth import LOCAL_ID, check_exposure
from fireside.api.http.request_log import RequestOfLine
from fireside.api.http.server import listen, serve
from fireside.catalog.loader import Catalog
from fireside.cli.common import fetch, open_store
from fireside.cli.loading import load_shown
from fireside.errors import FiresideError, for_operators
from fireside.running import announced, new_secret
from fireside.serving.service import Service
from fireside.settings import Settings
from fireside.store.store import Store

QUESTION = '{"prompt": "What is the capital of France?", "temperature": 0}'
"""Greedy: at the API's default temperature the small default model begins in French more often than not."""

NO_TLS = (
    "Warning: what goes over the network to {host} is not encrypted, tokens included. Let a proxy with TLS stand in "
    "front, and listen on 127.0.0.1 if it is on this machine."
)


def run_server(settings: Settings, catalog: Catalog, *, no_pull: bool) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        no_pull: fetch nothing, neither now nor when a web page asks for it.

    Raises ConfigError (address, tokens, database), ModelNotDownloaded, DownloadFailed; not for a model that does not
    load, as others may: that is printed.
    """
    lines = logging.StreamHandler(sys.stderr)
    lines.addFilter(RequestOfLine())
    logging.basicConfig(handlers=[lines], level=logging.INFO, format="%(levelname)s %(name)s%(request)s: %(message)s")
    for chatty in ("alembic", "uvicorn", "httpx2", "httpx", "httpcore", "huggingface_hub"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    with open_store(settings) as store:
        # Both before a long download, not after it.
        check_exposure(settings, store)
        listen(settings).close()
        if not is_loopback(settings.host):
            typer.echo(NO_TLS.format(host=settings.host or "every address"), err=True)
        service = Service(settings, catalog)
        fetch(service.resolve(settings.default_model), settings, no_pull)
        # SIGTERM's own way: the server drains, then ends.
        control = Control(new_secret(), lambda: signal.raise_signal(signal.SIGTERM), service.load, service.unload)
        preload = _Preload(settings, service, store, control.secret)
        offered = settings.model_copy(update={"web_downloads": settings.web_downloads and not no_pull})
        app = create_app(offered, service, store, control)
        serve(app, settings, lifespan=preload.around(), listening=preload.start)
    typer.echo("Fireside has ended.")


class _Preload:
    """Loads the default model while the server runs already, then tells how to use it.

    Args:
        secret: what the commands on this machine find in the server's file.
    """

    def __init__(self, settings: Settings, service: Service, store: Store, secret: str) -> None:
        self._settings = settings
        self._service = service
        self._store = store
        self._secret = secret
        self._open = ExitStack()
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def around(self) -> AsyncIterator[None]:
        """Open while the server runs; ends the load and all engines."""
        with self._open:
            try:
                yield
            finally:
                if self._task is not None:
                    self._task.cancel()
                    await asyncio.gather(self._task, return_exceptions=True)
                await self._service.close()

    def start(self, url: str) -> None:
        """Begin; connections to the URL are accepted."""
        own_url = _own_url(url)
        try:
            self._open.enter_context(announced(self._settings.data_dir, own_url, self._secret))
        except OSError as error:
            typer.echo(f"Warning: fireside run, ps and stop will not find this server: {error}", err=True)
        typer.echo(f"Fireside {__version__} listens on {url}")
        self._task = asyncio.create_task(self._load(own_url), name="preload")

    async def _load(self, url: str) -> None:
        model = self._service.resolve(self._settings.default_model).id
        began = time.monotonic()
        try:
            await load_shown(model, self._service.load(model), lambda: self._service.status(model))
        except FiresideError as error:
            typer.echo(
                f"Error: {model} cannot be loaded: {for_operators(error)}\nThe server runs without it.",
                err=True,
            )
            return
        typer.echo(f"{model} is ready ({time.monotonic() - began:.1f} s).")
        typer.echo(await asyncio.to_thread(usage_text, url, self._settings.default_model, self._store))


def usage_text(url: str, model: str, store: Store) -> str:
    """What a new user needs: a curl line, and the place of the playground.

    Args:
        url: base URL without a slash at its end.
    """
    account, header, hint = LOCAL_ID, "", ""
    if store.has_tokens():
        accounts = [record.account_id for record in store.list_tokens() if record.revoked_at is None]
        account = accounts[-1] if accounts else LOCAL_ID
        header = '-H "Authorization: Bearer $FIRESIDE_TOKEN" '
        hint = "(FIRESIDE_TOKEN stands for your token; `fireside token create` makes one.)\n\n"
    address = shlex.quote(f"{url}/client/v4/accounts/{account}/ai/run/{model}")
    return (
        f"\nTry it:\n\n  curl {address} {header}-d {shlex.quote(QUESTION)}\n\n{hint}"
        f"Or in a browser: {url}/ has the models, {url}/playground the playground.\n{_commands_hint()}"
        "Ctrl-C ends the server."
    )


def _commands_hint() -> str:
    """How a new terminal comes to know the `fireside` command; nothing where it does already."""
    activate = Path(sys.executable).with_name("activate")
    if shutil.which("fireside") or not activate.exists():
        return ""
    command = str(activate) if sys.platform == "win32" else f". {shlex.quote(str(activate))}"
    return f"For other commands (fireside --help), first, in another terminal: {command}\n"


def _own_url(url: str) -> str:
    """The URL for use on this machine: a server on every address is reached by the loopback one."""
    parts = urlsplit(url)
    address = ipaddress.ip_address(parts.hostname or "")
    if not address.is_unspecified:
        return url
    host = "127.0.0.1" if address.version == 4 else "[::1]"
    return urlunsplit(parts._replace(netloc=f"{host}:{parts.port}"))
