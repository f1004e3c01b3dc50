"""The way of a streamed token gets no longer.

The numbers are those of November 2026, on Python 3.11: a coroutine that goes on counts as a call. Whoever shortens the
way lowers them.
"""

from pathlib import Path
from typing import Any

import pytest

from support.token_path import ECHO, calls_per_token

_AI = "/client/v4/accounts/mine/ai"
_TEXT = "x" * 300
_CHAT = {"model": ECHO, "messages": [{"role": "user", "content": _TEXT}]}
_TOOL = {"type": "function", "function": {"name": "look_up"}}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "body", "most"),
    [
        pytest.param(f"/run/{ECHO}", {"prompt": _TEXT}, 41, id="run"),
        pytest.param("/v1/chat/completions", _CHAT, 42, id="chat"),
        pytest.param("/v1/completions", {"model": ECHO, "prompt": _TEXT}, 43, id="completions"),
        pytest.param("/v1/chat/completions", {**_CHAT, "tools": [_TOOL]}, 46, id="chat with tools"),
    ],
)
async def test_a_streamed_token_takes_no_more_calls_than_it_did(
    tmp_path: Path, path: str, body: dict[str, Any], most: int
) -> None:
    total, each = await calls_per_token(tmp_path, _AI + path, body)
    assert total <= most + 0.1, each
