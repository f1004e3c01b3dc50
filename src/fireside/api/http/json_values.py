"""How many values a JSON text holds, counted in its bytes before anything is made of them."""

from collections.abc import Iterator

SLICE = 1 << 16
"""Bytes looked at in one go. Other threads wait for as long as one takes, which is below a millisecond."""


class ValueCount:
    """Counts commas and opening brackets outside strings: each value but the first follows one.

    Attributes:
        found: how many so far.
    """

    def __init__(self) -> None:
        self.found = 0
        self._in_string = False

    def add(self, text: bytes) -> Iterator[int]:
        """Count on, slice by slice; `found` after each. What is not JSON may be counted wrongly."""
        start = 0
        while start < len(text):
            end = min(start + SLICE, len(text))
            # Not between a backslash and what it escapes.
            backslashes = end - start - len(text[start:end].rstrip(b"\\"))
            if backslashes % 2 and end < len(text):
                end += 1
            self._count(text[start:end])
            start = end
            yield self.found

    def _count(self, text: bytes) -> None:
        if b"\\" in text:
            text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
        parts = text.split(b'"')
        plain = b"".join(parts[self._in_string :: 2])
        self._in_string ^= len(parts) % 2 == 0
        self.found += plain.count(b",") + plain.count(b"[") + plain.count(b"{")
