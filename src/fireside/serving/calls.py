"""Calls of tools, found in an answer's text wherever its pieces are cut."""

import contextlib
import json
import re
import secrets

import msgspec

from fireside.errors import ConstraintNotMet
from fireside.prompting.messages import ToolCall
from fireside.prompting.tools import CALL_CLOSE, CALL_OPEN
from fireside.serving.stops import first_beginning

NO_NUMBER = "JSON Mode couldn't be met: the answer holds a number that no reader of JSON takes."

_BEGINNING = re.compile(r"""\n\{"name": ("(?:[^"\\]|\\.)*"), "arguments": (.*)""", re.DOTALL)
"""Of a call, as the grammar has it."""


class _Call(msgspec.Struct):
    name: str
    arguments: msgspec.Raw


class CallReader:
    """Passes text on up to the first call, and then the calls. The grammar lets nothing follow a call but more calls.

    What may be the beginning of a call is held back until more text shows whether it is one.

    Args:
        nothing_else: the answer must call: there is no text before the first call.
    """

    def __init__(self, *, nothing_else: bool = False) -> None:
        self._nothing_else = nothing_else
        self._held = ""
        self._calling = False
        self._searched = 0
        self.made: list[ToolCall] = []
        self.repeats = False
        """Whether a call has come a second time: a weak model that begins to repeat itself does not stop."""

    def push(self, text: str) -> tuple[str, tuple[ToolCall, ...]]:
        """Take the next piece; return the text that may be shown by now, and the calls that are complete."""
        self._held += text
        shown, before_this = "", len(self.made)
        while not self.repeats:
            if self._calling:
                if (call := self._take_call()) is None:
                    break
                self.repeats = any((call.name, call.arguments) == (one.name, one.arguments) for one in self.made)
                if not self.repeats:
                    self.made.append(call)
                continue
            before, opening, after = self._held.partition(CALL_OPEN)
            if opening:
                self._held, self._calling = after, True
            else:
                cut = first_beginning(before, (CALL_OPEN,))
                before, self._held = before[:cut], before[cut:]
            shown += "" if self.made else before
            if not opening:
                break
        return shown, tuple(self.made[before_this:])

    def finish(self) -> str:
        """What was held back, at the end of the answer, and is text after all."""
        held, self._held = self._held, ""
        return "" if self._calling or self.made or self._nothing_else else held

    def cut(self) -> ToolCall | None:
        """What there is of a call that the end of the answer cut: its arguments as far as they came, which may be no
        JSON. None before its name is complete."""
        begun = _BEGINNING.match(self._held) if self._calling else None
        if begun is None:
            return None
        arguments = begun[2]
        with contextlib.suppress(ValueError, RecursionError):
            arguments = arguments[: json.JSONDecoder().raw_decode(arguments)[1]]
        return _tool_call(json.loads(begun[1]), arguments)

    @property
    def calling(self) -> bool:
        """Whether a call has begun and is not complete, be it with the first letter."""
        return self._calling or bool(self._held and (self.made or self._nothing_else))

    def _take_call(self) -> ToolCall | None:
        """The call in the held text, if it is complete. Raises ConstraintNotMet for numbers that are out of range."""
        while (end := self._held.find(CALL_CLOSE, self._searched)) >= 0:
            self._searched = end + len(CALL_CLOSE)
            try:
                call = msgspec.json.decode(self._held[:end], type=_Call)
            except msgspec.DecodeError:
                continue  # the closing stands in one of the arguments
            check_numbers(bytes(call.arguments))
            self._held, self._calling, self._searched = self._held[self._searched :], False, 0
            return _tool_call(call.name, bytes(call.arguments).decode())
        # It may have come halfway.
        self._searched = max(0, len(self._held) - len(CALL_CLOSE) + 1, self._searched)
        return None


def _tool_call(name: str, arguments: str) -> ToolCall:
    return ToolCall(f"call_{secrets.token_hex(12)}", name, arguments)


def check_numbers(text: bytes | str) -> None:
    """Raises ConstraintNotMet when numbers in a JSON text are beyond what its readers can hold: 1e999, for one."""
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise ConstraintNotMet(NO_NUMBER) from None
