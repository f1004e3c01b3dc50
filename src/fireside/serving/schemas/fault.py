"""What is wrong with a schema, and where."""

import json
from typing import Any

from fireside.engine.grammar.keywords import Place


class SchemaFault(Exception):
    """A part of a schema that no answer can be held to.

    Args:
        place: of the part.
        words: what is wrong with it and what to do, as a sentence or two.
    """

    def __init__(self, place: Place, words: str) -> None:
        super().__init__(words)
        self.place = place
        self.words = words


def shown(value: Any) -> str:
    """A value for a message."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"
