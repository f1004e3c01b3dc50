"""What a model thinks before it answers is not part of the answer."""


class ThoughtFilter:
    """Leaves out one thought at the very beginning of an answer, with its tags and the blanks after it.

    Text passes as soon as it is clear that the answer does not begin with a thought.

    Args:
        tags: what a thought begins and ends with.
        begun: whether the prompt has opened a thought already.
    """

    def __init__(self, tags: tuple[str, str], *, begun: bool = False) -> None:
        self._open, self._close = tags
        self._held = ""
        self._thinking = begun
        self._after = False
        self._passes = False

    def push(self, text: str) -> str:
        """Take the next piece; return what is part of the answer by now."""
        if self._passes:
            return text
        self._held += text
        if not self._thinking and not self._after:
            begins = self._held.lstrip()
            if self._open.startswith(begins):
                return ""
            self._thinking = begins.startswith(self._open)
        if self._thinking:
            _, closed, rest = self._held.partition(self._close)
            # Of what was thought, no more is kept than may be the beginning of its end.
            self._held = rest if closed else self._held[-len(self._close) :]
            self._thinking, self._after = not closed, bool(closed)
        if self._thinking:
            return ""
        if self._after:
            self._held = self._held.lstrip()
            if not self._held:
                return ""
        self._passes = True
        return self.finish()

    def finish(self) -> str:
        """What was held back at the end of the answer and is not a thought."""
        held, self._held = self._held, ""
        return "" if self._thinking else held

    @property
    def active(self) -> bool:
        """Whether what came last is held back or left out."""
        return not self._passes
