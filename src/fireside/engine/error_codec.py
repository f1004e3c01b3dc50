"""Errors between processes: the name of a leaf of `fireside.errors` and its constructor's arguments.

The set of leaves is fixed. Everything else (an unknown name, wrong arguments, an exception that is not Fireside's)
arrives as EngineFailed, so that an unexpected error fails one request and never the engine.
"""

import inspect
import logging
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, get_type_hints

import msgspec

from fireside import errors
from fireside.errors import EngineFailed, FiresideError

logger = logging.getLogger(__name__)

MAX_NOTES = 4

Argument = str | bool | int | list[str]


class ErrorData(msgspec.Struct, frozen=True, array_like=True):
    """A FiresideError as data.

    Args:
        leaf: the name of its class.
        arguments: the constructor's arguments, by name.
        notes: notes for operators; see `FiresideError`.
    """

    leaf: str
    arguments: dict[str, Argument]
    notes: list[str] = []


def _leaves(kind: type[FiresideError]) -> Iterator[type[FiresideError]]:
    subclasses = [one for one in kind.__subclasses__() if one.__module__ == errors.__name__]
    if not subclasses:
        yield kind
    for subclass in subclasses:
        yield from _leaves(subclass)


LEAVES: Mapping[str, type[FiresideError]] = MappingProxyType({kind.__name__: kind for kind in _leaves(FiresideError)})
"""All errors that can be sent, by name."""


def _parameters(kind: type[FiresideError]) -> type[msgspec.Struct]:
    """The parameters of a leaf's constructor, as a type that data can be validated against."""
    hints = get_type_hints(kind.__init__)
    fields: list[Any] = []
    for parameter in list(inspect.signature(kind).parameters.values()):
        # A str is a Sequence[str], too: require a list.
        hint = list[str] if hints[parameter.name] == Sequence[str] else hints[parameter.name]
        has_default = parameter.default is not parameter.empty
        fields.append((parameter.name, hint, parameter.default) if has_default else (parameter.name, hint))
    return msgspec.defstruct(kind.__name__, fields, kw_only=True, forbid_unknown_fields=True)


_PARAMETERS = {name: _parameters(kind) for name, kind in LEAVES.items()}


def encode_error(error: BaseException) -> ErrorData:
    """An error as data, as the leaf that it is or inherits from. Any other becomes EngineFailed and is logged here."""
    leaf = next((name for kind in type(error).__mro__ if LEAVES.get(name := kind.__name__) is kind), None)
    if leaf is None:
        logger.error("unexpected error in the engine", exc_info=error)
        # A ValueError's message is meant for clients; a library's own error could reveal anything.
        is_clear = isinstance(error, FiresideError | ValueError)
        leaf = EngineFailed.__name__
        error = EngineFailed(str(error) if is_clear else f"{type(error).__name__}. The server's log says more.")
    arguments = {name: _plain(getattr(error, name)) for name in _PARAMETERS[leaf].__struct_fields__}
    return ErrorData(leaf, arguments, list(getattr(error, "__notes__", ()))[:MAX_NOTES])


def decode_error(data: ErrorData) -> FiresideError:
    """The error that the data describes; EngineFailed if it does not describe one."""
    try:
        parameters = msgspec.convert(data.arguments, _PARAMETERS[data.leaf])
        error = LEAVES[data.leaf](**msgspec.structs.asdict(parameters))
    except (KeyError, msgspec.ValidationError) as fault:
        logger.error("the engine reported an unknown error: %r (%s)", data, fault)
        return EngineFailed("The engine reported an error that cannot be read. The server's log says more.")
    for note in data.notes[:MAX_NOTES]:
        error.add_note(note)
    return error


def copy_error(error: FiresideError) -> FiresideError:
    """A copy of an error: raising an exception modifies it, so each request needs its own."""
    return decode_error(encode_error(error))


def _plain(value: object) -> Any:
    return list(value) if isinstance(value, tuple) else value
