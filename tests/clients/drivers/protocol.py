"""How a test drives a real client in a process of its own: a JSON line of what to ask, JSON lines of what came.

Asked: `{"call", "url", "token", "model", "prompt", "options"}`, and what a call needs: a `tool` and its `result`, or a
`schema`. Answered: `{"piece": text}` for each piece of a stream, then `{"done": …}`, or `{"raised": {"name", "message",
"body"}}` with what a user of the client would catch.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

Ask = dict[str, Any]
Call = Callable[[Ask], Any]


def say(**line: object) -> None:
    print(json.dumps(line), flush=True)


def piece(text: str) -> None:
    if text:
        say(piece=text)


def serve(**calls: Call) -> None:
    """Answer until standard input ends."""
    say(ready=True)
    for line in sys.stdin:
        ask = json.loads(line)
        try:
            say(done=calls[ask["call"]](ask))
        except Exception as error:
            say(raised={"name": type(error).__name__, "message": str(error), "body": _body(error)})


def _body(error: Exception) -> str:
    """The server's answer, where an exception brings it along."""
    try:
        return str(error.response.text)  # type: ignore[attr-defined]
    except (AttributeError, RuntimeError):  # without a response, or with one that was streamed
        return ""
