"""Calls of tools, found in an answer's text wherever its pieces are cut."""

import json
import re
import secrets

import msgspec

from fireside.chat.dialects import ToolDialect
from fireside.chat.messages import ToolCall
from fireside.errors import ConstraintNotMet
from fireside.serving.stops import first_beginning

NO_NUMBER = "JSON Mode couldn't be met: the answer holds a number that no reader of JSON takes."

_MARKS = re.compile(r'[{}\[\]"]|\\.', re.DOTALL)
"""All of JSON that says where an object ends. A backslash is a mark only with what it escapes."""


class CallReader:
    """Passes text on up to the first call, and then the calls. The grammar lets nothing follow a call but more calls.

    What may be the beginning of a call is held back until more text shows whether it is one.

    Args:
        dialect: how the model writes calls.
        nothing_else: the answer must call: there is no text before the first call.
    """

    def __init__(self, dialect: ToolDialect, *, nothing_else: bool = False) -> None:
        self._dialect = dialect
        self._nothing_else = nothing_else
        self._held = ""
        self._calling = False
        self._text_only = False
        """Whether the answer has begun with what is not a call, in a dialect that only knows calls at the beginning."""
        self._object = _ObjectEnd()
        name = re.escape(dialect.before_name) + r'("(?:[^"\\]|\\.)*")' + re.escape(dialect.before_arguments)
        begins = "|".join(map(re.escape, sorted(dialect.begins, key=len, reverse=True)))
        self._first_head = re.compile(f"(?:{begins}){name}", re.DOTALL)
        self._next_head = re.compile(re.escape(dialect.between) + name, re.DOTALL)
        self.made: list[ToolCall] = []
        self.repeats = False
        """Whether a call has come a second time: a weak model that begins to repeat itself does not stop."""

    def push(self, text: str) -> tuple[str, tuple[ToolCall, ...]]:
        """Take the next piece; return the text that may be shown by now, and the calls that are complete.

        Raises ConstraintNotMet for numbers that are out of range.
        """
        self._held += text
        shown = "" if self._calling else self._take_text()
        before_this = len(self.made)
        while self._calling and not self.repeats and (call := self._take_call()) is not None:
            self.repeats = any((call.name, call.arguments) == (one.name, one.arguments) for one in self.made)
            if not self.repeats:
                self.made.append(call)
        return shown, tuple(self.made[before_this:])

    def finish(self) -> str:
        """What was held back, at the end of the answer, and is text after all."""
        held, self._held = self._held, ""
        return "" if self._calling or self._nothing_else else held

    def cut(self) -> ToolCall | None:
        """What there is of a call that the end of the answer cut: its arguments as far as they came, which may be no
        JSON. None before its name is complete."""
        begun = self._head().match(self._held) if self._calling else None
        if begun is None:
            return None
        end = self._object.find(self._held, begun.end())
        return _tool_call(json.loads(begun[1]), self._held[begun.end() : end])

    @property
    def calling(self) -> bool:
        """Whether a call has begun and is not complete, be it with the first letter."""
        held = self._held.strip()
        if self.made and self._dialect.end and self._dialect.end.startswith(held):
            return False  # the calls are whole; what is missing says no more
        return bool(held) if self.made else self._calling or bool(self._held and self._nothing_else)

    def _take_text(self) -> str:
        """What comes before the first call; from there on the answer is calls."""
        opening = self._dialect.opening
        if self._text_only:
            shown, self._held = self._held, ""
            return shown
        if not opening:
            beginning = self._dialect.before_name + '"'
            self._calling = self._held.startswith(beginning)
            self._text_only = not self._calling and not beginning.startswith(self._held)
            return self._take_text() if self._text_only else ""
        before, found, after = self._held.partition(opening)
        if found:
            self._held, self._calling = after, True
            return before
        cut = first_beginning(before, (opening,))
        self._held = before[cut:]
        return before[:cut]

    def _take_call(self) -> ToolCall | None:
        """The call that the held text begins with, if it is complete."""
        begun = self._head().match(self._held)
        if begun is None:
            return None
        end = self._object.find(self._held, begun.end())
        if end is None or not self._held.startswith(self._dialect.after, end):
            return None
        arguments = self._held[begun.end() : end]
        check_numbers(arguments)
        self._held, self._object = self._held[end + len(self._dialect.after) :], _ObjectEnd()
        return _tool_call(json.loads(begun[1]), arguments)

    def _head(self) -> re.Pattern[str]:
        return self._next_head if self.made else self._first_head


class _ObjectEnd:
    """Finds where a JSON value in brackets ends, in a text that grows."""

    def __init__(self) -> None:
        self._looked_at = 0
        self._depth = 0
        self._in_string = False
        self._end: int | None = None

    def find(self, text: str, start: int) -> int | None:
        """The place behind the last bracket of the value that begins at `start`; None if it has not come."""
        if self._end is not None:
            return self._end
        self._looked_at = max(start, self._looked_at)
        for mark in _MARKS.finditer(text, self._looked_at):
            self._looked_at = mark.end()
            if mark[0] == '"':
                self._in_string = not self._in_string
            elif not self._in_string and mark[0] in "{[":
                self._depth += 1
            elif not self._in_string and mark[0] in "}]":
                self._depth -= 1
                if self._depth == 0:
                    self._end = mark.end()
                    return self._end
        if self._looked_at < len(text):
            self._looked_at = len(text) - text.endswith("\\")  # which waits for what it escapes
        return None


def _tool_call(name: str, arguments: str) -> ToolCall:
    return ToolCall(f"call_{secrets.token_hex(12)}", name, arguments)


def check_numbers(text: bytes | str) -> None:
    """Raises ConstraintNotMet when numbers in a JSON text are beyond what its readers can hold: 1e999, for one."""
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise ConstraintNotMet(NO_NUMBER) from None
