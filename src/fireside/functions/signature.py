"""What the code of a function says of it before it runs: the types of what `reader/signature.js` returns.

It comes from a process that has read foreign code, so that these types are all that is taken from there.
"""

from typing import Any, Literal

import msgspec


class Parameter(msgspec.Struct, frozen=True):
    """One parameter, or one property of an object pattern.

    Args:
        name: "" for a pattern at the top, which has none.
        kind: "rest" takes all that is left.
        fields: of an object pattern, its properties; None for all else.
        default: JSON schema of the default value, with the value itself when it is a plain one; None without default.
    """

    name: str
    kind: Literal["plain", "pattern", "rest"] = "plain"
    fields: "tuple[Parameter, ...] | None" = None
    default: dict[str, Any] | None = None


class Param(msgspec.Struct, frozen=True):
    """A `@param` tag. `name` has dots for a property: `options.size`; `type` is as it was written, or ""."""

    name: str
    type: str = ""
    optional: bool = False
    description: str = ""


class Doc(msgspec.Struct, frozen=True):
    """The JSDoc comment before a function. `schema` is the text after `@schema`, or ""."""

    description: str = ""
    params: tuple[Param, ...] = ()
    schema: str = ""


class Signature(msgspec.Struct, frozen=True, tag=True):
    """A function's parameters and its comment."""

    parameters: tuple[Parameter, ...]
    doc: Doc = Doc()


class Unreadable(msgspec.Struct, frozen=True, tag=True):
    """The code is not a function whose parameters can be told; `error` says why."""

    error: str
