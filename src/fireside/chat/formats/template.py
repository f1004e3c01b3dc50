"""The checkpoint's own Jinja template: `fireside.chat.templates` puts it in this one's place, where it is known."""

from typing import NoReturn

from fireside.chat.formats.base import ChatFormat, Conversation
from fireside.errors import UnsupportedWeights


def _render(conversation: Conversation) -> NoReturn:
    raise UnsupportedWeights(
        "This model's prompts are made by its own chat template, which comes with its files. Fetch the model first."
    )


FORMATS = (ChatFormat(name="template", title="The checkpoint's own template", render=_render),)
