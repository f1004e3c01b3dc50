"""Chat formats, one module per format or family. A module in this package that defines `FORMATS` adds one."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from fireside.chat.formats.base import ChatFormat, Conversation

TEMPLATE = "template"
"""Name of the format that uses the checkpoint's own chat template."""

__all__ = ["TEMPLATE", "ChatFormat", "Conversation", "format_names", "formats"]


@cache
def formats() -> Mapping[str, ChatFormat]:
    """Every format by name, sorted by name."""
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    found: list[ChatFormat] = [one for module in modules for one in getattr(module, "FORMATS", ())]
    return {one.name: one for one in sorted(found, key=lambda one: one.name)}


def format_names() -> tuple[str, ...]:
    """The names that a catalog file may use."""
    return tuple(formats())
