"""Placeholder for the checkpoint's own Jinja template, which `fireside.chat.templates` reads."""

from typing import NoReturn

from fireside.chat.formats.base import ChatFormat, Conversation
from fireside.errors import UnsupportedWeights


def _render(conversation: Conversation) -> NoReturn:
    raise UnsupportedWeights(
        "This model uses its own chat template, which comes with its files. Download the model first."
    )


FORMATS = (ChatFormat(name="template", title="The checkpoint's own template", render=_render),)
