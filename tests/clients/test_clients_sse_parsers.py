"""Streams as they are read by the parsers that people use: cut at any byte, with comments in between, with CRLF."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from support.compatibility import npm_version
from support.echo_service import EchoService
from support.live_server import live_server

HERE = Path(__file__).parent
TEXT = 'grüß 你好 \U0001f525 "data: x"\n\nend'

Proven = Callable[[str, str, str, str], None]


def test_every_parser_reads_every_cut(npm_clients: Path, tmp_path: Path, proven: Proven) -> None:
    script = npm_clients / "sse_parsers.mjs"  # beside node_modules, where node looks for packages
    shutil.copy(HERE / script.name, script)
    # Words come more slowly than keep-alives.
    with live_server(tmp_path, EchoService(delay=0.02), keep_alive_seconds=0.005) as server:
        body = json.dumps({"prompt": TEXT, "stream": True})
        plain = server.client.post(server.run_path(), content=body).text
        assert "\n\n: keep-alive\n\ndata: " in plain
        command = ["node", str(script), json.dumps({"url": server.url + server.run_path(), "body": body})]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert len(told) == 2 * 11 + 3 * 6
    for case, found in told.items():
        *frames, end = found
        assert end == "[DONE]", case
        assert "".join(json.loads(frame)["response"] for frame in frames) == TEXT, case
        assert json.loads(frames[-1])["usage"]["completion_tokens"] == 6, case
    for package in ("eventsource-parser", "fetch-event-stream"):
        proven(
            package, npm_version(npm_clients, package), "a stream cut at any byte, with keep-alives, with CRLF", "works"
        )
