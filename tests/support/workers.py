"""Workers in miniflare, in front of a live server."""

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from fireside.cli import worker_project
from fireside.cli.wrangler_config import Bound
from support.compatibility import npm_version
from support.documents import ROOT
from support.live_server import LiveServer, live_server, wait_until

CLIENTS = ROOT / "tests" / "clients"


@dataclass(frozen=True)
class Workers:
    """Running Workers, by way and name."""

    server: LiveServer
    urls: dict[str, str]
    version: str

    def ask(self, worker: str, *, timeout: float = 60, **request: object) -> httpx.Response:
        return httpx.post(self.urls[worker], json=request, timeout=timeout, trust_env=False)

    def stream(self, worker: str, **request: object) -> contextlib.AbstractContextManager[httpx.Response]:
        return httpx.stream("POST", self.urls[worker], json=request, timeout=60, trust_env=False)


@contextlib.contextmanager
def running_workers(npm_clients: Path, folder: Path) -> Iterator[Workers]:
    """All that `tests/clients/miniflare.mjs` starts; `npm_clients` holds node_modules."""
    script = npm_clients / "miniflare.mjs"  # beside node_modules, where node looks for packages
    shutil.copy(CLIENTS / script.name, script)
    with live_server(folder / "open") as server, live_server(folder / "locked") as locked:
        token, _ = locked.store.create_token("acc", "test")
        wait_until(locked.store.has_tokens)
        server_of = worker_project.Server(server.url, "acc")
        projects = {
            source.stem: str(make_project(folder / "projects" / source.stem, source, server_of))
            for source in (CLIENTS / "workers").iterdir()
        }
        values = {
            "projects": projects,
            "folder": str(CLIENTS / "workers"),
            "fireside": str(ROOT / "clients" / "worker"),
            "open": server.url,
            "locked": locked.url,
            "token": token,
            "account": "acc",
        }
        command = ["node", str(script), json.dumps(values)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                line = process.stdout.readline() if process.stdout else ""
                assert line, "miniflare did not start"
                yield Workers(server, json.loads(line), npm_version(npm_clients, "miniflare"))
            finally:
                process.communicate(timeout=30)  # closes its standard input, which ends it
        assert process.returncode == 0


def make_project(folder: Path, source: Path, server: worker_project.Server) -> Path:
    """What `fireside worker init` makes of a project with that Worker; its main module."""
    folder.mkdir(parents=True)
    shutil.copy(source, folder)
    put = folder / worker_project.FOLDER
    files = worker_project.own_files(put, Bound(source.name, "AI", False), server)
    for path, content in {**worker_project.package_files(put), **files}.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / worker_project.MAIN
