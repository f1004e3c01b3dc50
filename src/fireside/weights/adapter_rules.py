"""Which modules an adapter changes, and with which rank and scale: PEFT's rules over the modules' names.

The rules are peft 0.21's, `check_target_module_exists` (tuners/tuners_utils.py) and `get_pattern_key` (utils/other.py).
Their regular expressions come from whoever uploads the adapter, and Python's engine may take forever over one. So they
run in pydantic's, Rust's `regex`, whose time grows with the name alone; it knows no lookaround and no back-references.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic_core import SchemaError, SchemaValidator, core_schema

_Value = TypeVar("_Value")

MAX_PATTERNS = 1024
"""Of a rank_pattern or alpha_pattern; large models have some hundreds of modules."""
_MAX_LENGTH = 200
# What names of modules are matched with: one name, alternatives, digits, "anything". Counted repetitions, which make a
# small pattern a large automaton, are not among it.
_MODEST = re.compile(r"(?:[A-Za-z0-9_.|()?:*+^$\[\]-]|\\[.d_-])*")


class BadPattern(ValueError):
    """A pattern that Fireside does not run; the message says why."""


class NamePattern:
    """A regular expression that a whole name has to match. Raises BadPattern when the engine cannot run it."""

    def __init__(self, pattern: str) -> None:
        try:
            self._validator = SchemaValidator(core_schema.str_schema(pattern=rf"\A(?:{pattern})\z"))
        except SchemaError as error:
            raise BadPattern("which is not a regular expression that can be run here") from error

    def matches(self, name: str) -> bool:
        """Whether it matches all of the name."""
        return self._validator.isinstance_python(name)


@dataclass(frozen=True, slots=True)
class Names:
    """Modules named in full, or by their last parts: "q_proj" is every module "….q_proj"."""

    names: frozenset[str] = frozenset()

    def matches(self, name: str) -> bool:
        """Whether one of them is the name or its end after a dot."""
        return any(end in self.names for end in _ends(name))


@dataclass(frozen=True, slots=True)
class Everything:
    """PEFT's "all-linear", and any pattern that cannot be run: then the tensors alone say what is adapted."""

    def matches(self, name: str) -> bool:
        """True."""
        return True


@dataclass(frozen=True, slots=True)
class TargetRule:
    """`target_modules`, less `exclude_modules`, in the layers of `layers_to_transform`.

    Args:
        layers: None for all.
        layers_patterns: what the layers' list may be called; empty for any name.
    """

    targets: Names | NamePattern | Everything
    excluded: Names | NamePattern = Names()
    layers: frozenset[int] | None = None
    layers_patterns: tuple[NamePattern, ...] = ()

    def matches(self, name: str, layer: int) -> bool:
        """Whether PEFT adapts the module of this full name, such as "model.layers.0.self_attn.q_proj"."""
        if self.excluded.matches(name) or not self.targets.matches(name):
            return False
        # Layers choose among modules that are named by their ends only.
        if self.layers is None or not isinstance(self.targets, Names) or name in self.targets.names:
            return True
        in_list = not self.layers_patterns or any(pattern.matches(name) for pattern in self.layers_patterns)
        return in_list and layer in self.layers


class PatternTable(Generic[_Value]):
    """`rank_pattern` or `alpha_pattern`: the first pattern that is a module's name, or its end after a dot, counts.

    Raises BadPattern, naming the pattern.
    """

    def __init__(self, values: Mapping[str, _Value]) -> None:
        if len(values) > MAX_PATTERNS:
            raise BadPattern(f"it has more than {MAX_PATTERNS} patterns")
        self.values = values
        self._rows = [(end_pattern(pattern), value) for pattern, value in values.items()]

    def get(self, name: str, default: _Value) -> _Value:
        """The value for the module of this full name."""
        return next((value for pattern, value in self._rows if pattern.matches(name)), default)


def end_pattern(pattern: str, after: str = "") -> NamePattern:
    """A pattern for the end of a name after a dot, followed by `after`. Raises BadPattern, naming it."""
    fault = "which is too elaborate. Write the modules' names"
    if len(pattern) <= _MAX_LENGTH and _MODEST.fullmatch(pattern):
        try:
            return NamePattern(rf"(?:.*\.)?(?:{pattern}){after}")
        except BadPattern as error:
            fault = str(error)
    raise BadPattern(f"it has the pattern {pattern[:100]!r}, {fault}")


def _ends(name: str) -> Iterator[str]:
    while True:
        yield name
        _, dot, name = name.partition(".")
        if not dot:
            return
