"""Strings that keep track of which parts came from a client, whatever a template does with them.

A template is a program. What it writes may become control tokens; what a client wrote never may. So each client text
enters the template as a `Traced`: to the template's own operations (slices, `strip`, `split`, comparisons and so on) it
is the real text, and the results are traced again. To everything else, above all the interpreter's own joining of
strings, it is a sentinel: a secret between private-use characters that stands for the text and is replaced at the end.
Code that looks into a sentinel cannot find the text, and code that cuts or changes one is detected.
"""

import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, NoReturn, Self, SupportsIndex

OPEN, CLOSE = "\ue000", "\ue001"
"""The characters around a sentinel's secret. Templates that contain one are rejected."""


class Part(NamedTuple):
    """A stretch of text. `origin` is the index of the client text that it comes from; None: the template's own."""

    text: str
    origin: int | None


class Altered(Exception):
    """The template did something with a client text that cannot be tracked."""


class Vault:
    """The sentinels of one rendering, and the texts they stand for."""

    def __init__(self) -> None:
        # Both cases, so that a change of case is detected.
        self._secret = f"aZ{secrets.token_hex(8)}"
        self._parts: list[Part] = []
        self._sentinel = re.compile(f"{OPEN}{self._secret}([0-9]+){CLOSE}")

    def hide(self, part: Part) -> str:
        """A sentinel for a stretch of a client text."""
        self._parts.append(part)
        return f"{OPEN}{self._secret}{len(self._parts) - 1}{CLOSE}"

    def said(self, text: str, origin: int) -> "Traced":
        """A client text, traced."""
        return Traced([Part(text, origin)], self)

    def traced(self, text: str) -> str:
        """The same text, traced if it contains sentinels. Raises Altered for remains of one."""
        if isinstance(text, Traced) or not isinstance(text, str) or (OPEN not in text and CLOSE not in text):
            return text
        parts: list[Part] = []
        end = 0
        for found in self._sentinel.finditer(text):
            parts += [Part(text[end : found.start()], None), self._parts[int(found[1])]]
            end = found.end()
        parts.append(Part(text[end:], None))
        if any(part.origin is None and (OPEN in part.text or CLOSE in part.text) for part in parts):
            raise Altered("it changes the characters of a client's text in a way that cannot be tracked")
        return Traced(parts, self)

    def joined(self, texts: Iterable[object]) -> str:
        """The texts joined into one, traced."""
        return self.traced("".join(map(str, texts)))

    def to_json(self, value: object, *, indent: int | None, separators: Any, sort_keys: bool) -> str:
        """The value as JSON, with the client texts in it escaped as JSON strings."""
        text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators, sort_keys=sort_keys)
        traced = self.traced(text)
        if not isinstance(traced, Traced):
            return traced
        escaped = (
            part if part.origin is None else Part(json.dumps(part.text, ensure_ascii=False)[1:-1], part.origin)
            for part in parts_of(traced)
        )
        return Traced(escaped, self)


def real(text: str) -> str:
    """The real text, without sentinels."""
    return "".join(part.text for part in text._parts) if isinstance(text, Traced) else text


def parts_of(text: str) -> tuple[Part, ...]:
    """The stretches of a text, none of them empty."""
    return text._parts if isinstance(text, Traced) else (Part(text, None),) if text else ()


class Traced(str):
    """A text of parts. Its value as a str consists of the template's own text and sentinels.

    Jinja's sandbox denies templates access to names that begin with "_".
    """

    _parts: tuple[Part, ...]
    _vault: Vault

    def __new__(cls, parts: Iterable[Part], vault: Vault) -> Self:
        kept = tuple(part for part in parts if part.text)
        made = super().__new__(cls, "".join(part.text if part.origin is None else vault.hide(part) for part in kept))
        made._parts, made._vault = kept, vault
        return made

    def _slice(self, start: int, stop: int) -> "Traced":
        """The text from index `start` up to `stop`."""
        kept, at = [], 0
        for part in self._parts:
            kept.append(Part(part.text[max(0, start - at) : max(0, stop - at)], part.origin))
            at += len(part.text)
        return Traced(kept, self._vault)

    def _each(self, change: Callable[[str], str]) -> "Traced":
        """The text with each part changed."""
        return Traced([Part(change(part.text), part.origin) for part in self._parts], self._vault)

    def _found(self, pieces: Iterable[str], gap: int) -> "list[Traced]":
        """The given stretches of the text, in order and at least `gap` characters apart, traced."""
        whole, at, found = real(self), 0, []
        for piece in pieces:
            start = whole.index(piece, at)
            found.append(self._slice(start, start + len(piece)))
            at = start + len(piece) + gap
        return found

    def __str__(self) -> str:
        return self

    def __repr__(self) -> str:
        return self._each(lambda text: repr(text)[1:-1])

    def __hash__(self) -> int:
        return hash(real(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and real(self) == real(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: str) -> bool:
        return real(self) < real(other)

    def __le__(self, other: str) -> bool:
        return real(self) <= real(other)

    def __gt__(self, other: str) -> bool:
        return real(self) > real(other)

    def __ge__(self, other: str) -> bool:
        return real(self) >= real(other)

    def __len__(self) -> int:
        return sum(len(part.text) for part in self._parts)

    def __contains__(self, other: object) -> bool:
        return isinstance(other, str) and real(other) in real(self)

    def __iter__(self) -> Iterator[str]:
        return iter(self._each_character())

    def _each_character(self) -> "list[Traced]":
        """The characters, each traced."""
        return [Traced([Part(one, part.origin)], self._vault) for part in self._parts for one in part.text]

    def __getitem__(self, place: SupportsIndex | slice) -> "Traced":
        if not isinstance(place, slice):
            index = range(len(self))[place]
            return self._slice(index, index + 1)
        start, stop, step = place.indices(len(self))
        if step == 1:
            return self._slice(start, stop)
        letters = [part for one in self._each_character()[place] for part in one._parts]
        return Traced(letters, self._vault)

    def __add__(self, other: str) -> "Traced":
        return Traced([*self._parts, *parts_of(self._vault.traced(other))], self._vault)

    def __radd__(self, other: str) -> "Traced":
        return Traced([*parts_of(self._vault.traced(other)), *self._parts], self._vault)

    def __mul__(self, times: SupportsIndex) -> "Traced":
        return Traced(self._parts * times.__index__(), self._vault)

    __rmul__ = __mul__

    def strip(self, chars: str | None = None, /) -> "Traced":
        return self.lstrip(chars).rstrip(chars)

    def lstrip(self, chars: str | None = None, /) -> "Traced":
        return self._slice(len(self) - len(real(self).lstrip(chars and real(chars))), len(self))

    def rstrip(self, chars: str | None = None, /) -> "Traced":
        return self._slice(0, len(real(self).rstrip(chars and real(chars))))

    def removeprefix(self, prefix: str, /) -> "Traced":
        return self._slice(len(prefix) if self.startswith(prefix) else 0, len(self))

    def removesuffix(self, suffix: str, /) -> "Traced":
        return self._slice(0, len(self) - (len(suffix) if self.endswith(suffix) else 0))

    def split(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> "list[str]":
        pieces = real(self).split(sep and real(sep), maxsplit)
        return [*self._found(pieces, len(sep or ""))]

    def rsplit(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> "list[str]":
        pieces = real(self).rsplit(sep and real(sep), maxsplit)
        return [*self._found(pieces, len(sep or ""))]

    def splitlines(self, keepends: bool = False) -> "list[str]":
        return [*self._found(real(self).splitlines(keepends), 0)]

    def partition(self, sep: str, /) -> "tuple[str, str, str]":
        before, middle, after = self._found(real(self).partition(real(sep)), 0)
        return before, middle, after

    def rpartition(self, sep: str, /) -> "tuple[str, str, str]":
        before, middle, after = self._found(real(self).rpartition(real(sep)), 0)
        return before, middle, after

    def replace(self, old: str, new: str, count: SupportsIndex = -1, /) -> "Traced":
        if not old:
            raise Altered("it inserts something between all characters of a client's text")
        pieces = self.split(old, count)
        return Traced(
            [
                part
                for index, piece in enumerate(pieces)
                for one in ([new, piece] if index else [piece])
                for part in parts_of(self._vault.traced(one))
            ],
            self._vault,
        )

    def join(self, texts: Iterable[str], /) -> "Traced":
        kept: list[Part] = []
        for index, text in enumerate(texts):
            kept += [*(self._parts if index else ()), *parts_of(self._vault.traced(text))]
        return Traced(kept, self._vault)

    def startswith(self, prefix: str | tuple[str, ...], *place: SupportsIndex | None) -> bool:
        return real(self).startswith(_reals(prefix), *place)

    def endswith(self, suffix: str | tuple[str, ...], *place: SupportsIndex | None) -> bool:
        return real(self).endswith(_reals(suffix), *place)

    def upper(self) -> "Traced":
        return self._each(str.upper)

    def lower(self) -> "Traced":
        return self._each(str.lower)

    def casefold(self) -> "Traced":
        return self._each(str.casefold)

    def swapcase(self) -> "Traced":
        return self._each(str.swapcase)

    def title(self) -> "Traced":
        return self._each(str.title)

    def capitalize(self) -> "Traced":
        return self[:1].upper() + self[1:].lower()


def _reals(texts: str | tuple[str, ...]) -> str | tuple[str, ...]:
    return tuple(map(real, texts)) if isinstance(texts, tuple) else real(texts)


def _asks(name: str) -> Callable[..., Any]:
    method = getattr(str, name)

    def asked(self: Traced, *given: Any) -> Any:
        return method(real(self), *(real(one) if isinstance(one, str) else one for one in given))

    return asked


def _refuses(name: str) -> Callable[..., Any]:
    def refused(self: Traced, *given: Any, **named: Any) -> NoReturn:
        raise Altered(f"it uses {name.strip('_')!r} on a client's text, which cannot be tracked")

    return refused


_ASKED = ("find", "rfind", "index", "rindex", "count", *(name for name in dir(str) if name.startswith("is")))
_REFUSED = ("encode", "center", "ljust", "rjust", "zfill", "expandtabs", "translate", "format", "format_map", "__mod__")
for _name in _ASKED:
    setattr(Traced, _name, _asks(_name))
for _name in _REFUSED:
    setattr(Traced, _name, _refuses(_name))
