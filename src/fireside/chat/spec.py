"""The prompt settings in a model's catalog file."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

from fireside.chat.formats import format_names


def _known(style: str) -> str:
    names = format_names()
    if style not in names:
        raise PydanticCustomError("style", "should be one of {names}", {"names": ", ".join(map(repr, names))})
    return style


class PromptSpec(BaseModel):
    """How messages become text.

    Args:
        style: name of a chat format in `fireside.chat.formats`.
        default_system: system message put before an unscoped prompt and, where the model's own template does so
            (`always_system`), before messages that have none. None: the format's default.
        stop: texts of special tokens that end an answer, besides the format's own and those that the model's files
            name.
        thinking: whether a model that can think before it answers does so. Its thoughts are not part of the answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    style: Annotated[str, AfterValidator(_known)]
    default_system: str | None = None
    always_system: bool = False
    stop: tuple[str, ...] = ()
    thinking: bool = False
