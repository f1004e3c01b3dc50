"""What the benchmark asks of llama.cpp's server, over a real connection."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from bench.http_client import get_json
from bench.http_endpoints import LlamaSession
from bench.workload import Unavailable

ANSWER = b'data: {"content":"x","stop":false}\n\ndata: {"content":"","stop":true,"tokens_predicted":7}\n\n'


@asynccontextmanager
async def serving(*bodies: bytes, status: str = "200 OK") -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that gives one body after the other; its port and what it was asked."""
    asked: list[bytes] = []
    left = list(bodies)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [line for line in head.split(b"\r\n") if line.startswith(b"Content-Length: ")]
        asked.append(head + (await reader.readexactly(int(lengths[0].split()[1])) if lengths else b""))
        writer.write(f"HTTP/1.1 {status}\r\n\r\n".encode() + left.pop(0))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], asked


@pytest.mark.anyio
@pytest.mark.parametrize("cached", [True, False])
async def test_token_ids_are_sent_as_they_are(cached: bool) -> None:
    begun = asyncio.Event()
    async with serving(ANSWER) as (port, asked):
        answer = await LlamaSession(port, cache_prompt=cached).ask([5, 6], 7, begun.set)
    body = json.loads(asked[0].partition(b"\r\n\r\n")[2])
    assert (body["prompt"], body["n_predict"], body["cache_prompt"]) == ([5, 6], 7, cached)
    assert answer.tokens == 7
    assert begun.is_set()


@pytest.mark.anyio
async def test_a_server_is_idle_when_no_slot_works() -> None:
    busy, idle = (json.dumps([{"is_processing": False}, {"is_processing": flag}]).encode() for flag in (True, False))
    async with serving(busy, idle) as (port, asked):
        await LlamaSession(port, cache_prompt=True).until_idle()
    assert [head.split()[1] for head in asked] == [b"/slots", b"/slots"]


@pytest.mark.anyio
async def test_a_refusal_is_told() -> None:
    async with serving(b"no slots here", status="501 Not Implemented") as (port, _):
        with pytest.raises(Unavailable, match="501: no slots here"):
            await get_json(port, "/slots")
