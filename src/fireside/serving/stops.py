"""Texts that end an answer, found wherever the pieces of the answer are cut."""

from collections.abc import Sequence


class StopTexts:
    """Passes an answer's text on, up to the first stop text in it.

    What may be the beginning of a stop text is held back until more text shows whether it is one. The text passed on is
    the same however the answer is cut into pieces: of stop texts that overlap, the one that is complete first counts.

    Args:
        stops: none of them empty. Without any, every piece passes as it is.
        keep: whether the stop text passes, too.
    """

    def __init__(self, stops: Sequence[str], *, keep: bool = False) -> None:
        self._stops = tuple(stops)
        self._keep = keep
        self._held = ""
        self.found = False
        """Whether a stop text has come; nothing passes after it."""

    def push(self, text: str) -> str:
        """Take the next piece; return what may be shown by now."""
        if self.found or not self._stops:
            return "" if self.found else text
        text = self._held + text
        ends = [(start + len(stop), start) for stop in self._stops if (start := text.find(stop)) >= 0]
        if ends:
            self.found = True
            self._held = ""
            end, start = min(ends)
            return text[: end if self._keep else start]
        cut = first_beginning(text, self._stops)
        self._held = text[cut:]
        return text[:cut]

    def finish(self) -> str:
        """What was held back, at the end of the answer."""
        held, self._held = self._held, ""
        return held


def first_beginning(text: str, wanted: Sequence[str]) -> int:
    """Where the longest end of `text` starts that one of the `wanted` texts may begin with; its length if none may."""
    reach = max(map(len, wanted)) - 1
    for start in range(max(0, len(text) - reach), len(text)):
        if any(one.startswith(text[start:]) for one in wanted):
            return start
    return len(text)
