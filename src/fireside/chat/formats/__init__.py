"""Chat formats, one module for each or for a family: a module of this package with `FORMATS` is all that one takes."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from fireside.chat.formats.base import ChatFormat, Conversation

TEMPLATE = "template"
"""The format that is the checkpoint's own chat template."""

__all__ = ["TEMPLATE", "ChatFormat", "Conversation", "format_names", "formats"]


@cache
def formats() -> Mapping[str, ChatFormat]:
    """Every format by its name, in the order of the names."""
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    found: list[ChatFormat] = [one for module in modules for one in getattr(module, "FORMATS", ())]
    return {one.name: one for one in sorted(found, key=lambda one: one.name)}


def format_names() -> tuple[str, ...]:
    """What a catalog file may name."""
    return tuple(formats())
