"""Asks a running server, as the owner of its data folder."""

import json
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import httpx2

from fireside.errors import FiresideError
from fireside.running import RunningServer, running_servers
from fireside.serving.types import Delta

_ACCOUNT = "local"
_PATIENCE = httpx2.Timeout(10.0, read=None)
"""Seconds to connect; an answer may take as long as it takes."""


class ServerRefused(FiresideError):
    """What a server said in place of an answer.

    Args:
        code: of the API's error table; 0 where it did not say.
    """

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class ServerGone(FiresideError):
    """The server cannot be reached, or went away in the middle of an answer."""


def ask(server: RunningServer, path: str, method: str = "GET") -> dict[str, Any]:
    """The result object of one request. Raises ServerGone, ServerRefused."""
    try:
        with httpx2.Client(trust_env=False, timeout=_PATIENCE, headers=_headers(server)) as client:
            response = client.request(method, server.url + path)
            return _result(response.status_code, response.content)
    except httpx2.HTTPError as error:
        raise ServerGone(f"The server at {server.url} does not answer: {error or type(error).__name__}.") from error


async def stream(server: RunningServer, model: str, body: Mapping[str, object]) -> AsyncGenerator[Delta, None]:
    """An answer of the run route, in pieces; closing the iterator ends it. Raises ServerGone, ServerRefused.

    Args:
        body: the request's JSON object, without `stream`.
    """
    url = f"{server.url}/client/v4/accounts/{_ACCOUNT}/ai/run/{model}"
    content = json.dumps({**body, "stream": True}).encode()
    try:
        async with (
            httpx2.AsyncClient(trust_env=False, timeout=_PATIENCE, headers=_headers(server)) as client,
            client.stream("POST", url, content=content) as response,
        ):
            if response.status_code != httpx2.codes.OK:
                _result(response.status_code, await response.aread())
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    yield _delta(json.loads(line.removeprefix("data: ")))
    except httpx2.HTTPError as error:
        raise ServerGone(f"The server at {server.url} went away: {error or type(error).__name__}.") from error


def model_path(model: str) -> str:
    """Where a server tells of one model, loads it (POST) and unloads it (DELETE)."""
    return f"/api/server/models/{model}"


def states(data_dir: Path) -> list[tuple[RunningServer, dict[str, Any]]]:
    """The servers that run on this data folder and answer, each with what it says of itself."""
    found = []
    for server in running_servers(data_dir):
        try:
            found.append((server, ask(server, "/api/server")))
        except FiresideError:
            continue  # it is about to begin, or to end
    return found


def _headers(server: RunningServer) -> dict[str, str]:
    return {"authorization": f"Bearer {server.secret}"}


def _result(status: int, content: bytes) -> dict[str, Any]:
    try:
        data: Any = json.loads(content)
        if data["success"]:
            result: dict[str, Any] = data["result"]
            return result
        [error, *_] = data["errors"]
        raise ServerRefused(str(error["message"]), int(error["code"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ServerRefused(f"The server's answer, with status {status}, is none of Fireside's.") from error


def _delta(frame: dict[str, Any]) -> Delta:
    if "error" in frame:
        raise ServerRefused(str(frame["error"]["message"]), int(frame["error"]["code"]))
    return Delta(frame.get("response") or "", frame.get("finish_reason"))
