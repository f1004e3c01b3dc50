"""Which model answers for another whose weights are not here: off, unless the operator says so.

The setting `stand_in` is a model, "family", or rules such as `@cf/qwen/*=family,*guard*=@hf/me/guard`: the first rule
whose pattern one of the model's names fits (`*` and `?` as in file names) names who answers.
"""

import logging
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase

from fireside.catalog.loader import Catalog
from fireside.catalog.spec import ModelSpec
from fireside.errors import ConfigError, InvalidModelId, UnknownModel

logger = logging.getLogger(__name__)

FAMILY = "family"
"""Names the model that its own catalog file says stands in for the family."""


class StandIns:
    """The rules of one server.

    Args:
        setting: what the operator said; None: there are no stand-ins.
        is_here: whether a model's weights are on this machine.

    Raises ConfigError for a rule that names no model.
    """

    def __init__(self, setting: str | None, catalog: Catalog, is_here: Callable[[ModelSpec], bool]) -> None:
        self._catalog = catalog
        self._is_here = is_here
        self._rules = list(stand_in_rules(setting))
        self._told: set[tuple[str, str]] = set()
        for _, target in self._rules:
            if target != FAMILY:
                try:
                    catalog.get(target)
                except (UnknownModel, InvalidModelId) as error:
                    raise ConfigError(f"stand_in (FIRESIDE_STAND_IN): {error}") from error

    def answering(self, spec: ModelSpec) -> ModelSpec:
        """The model that answers for this one: itself when it is here or has no stand-in.

        A stand-in keeps the context of the id that was asked for, where its own is no smaller.
        """
        if not self._rules or self._is_here(spec):
            return spec
        chosen = self._chosen(spec)
        if chosen is None or chosen.id == spec.id:
            return spec
        if (spec.id, chosen.id) not in self._told:
            self._told.add((spec.id, chosen.id))
            logger.warning("%s is not here: %s, its stand-in, answers.", spec.id, chosen.id)
        return chosen.model_copy(update={"context_length": min(spec.context_length, chosen.context_length)})

    def _chosen(self, spec: ModelSpec) -> ModelSpec | None:
        for pattern, target in self._rules:
            if any(fnmatchcase(name, pattern) for name in spec.names):
                return self._of_family(spec.family) if target == FAMILY else self._catalog.get(target)
        return None

    def _of_family(self, family: str | None) -> ModelSpec | None:
        """One that is here before one that is not, one made for the family before one for any."""
        found = [other for other in self._catalog.all() if {family, "*"} & set(other.stands_in_for)]
        return min(found, key=lambda other: (not self._is_here(other), family not in other.stands_in_for), default=None)


def stand_in_rules(setting: str | None) -> Iterator[tuple[str, str]]:
    """Pattern and target of each rule. Raises ConfigError for one without a target."""
    for rule in filter(None, map(str.strip, (setting or "").split(","))):
        pattern, equals, target = rule.rpartition("=")
        if not target or (equals and not pattern):
            raise ConfigError(f"stand_in (FIRESIDE_STAND_IN): {rule!r} is not a rule. Write PATTERN=MODEL, or a model.")
        yield pattern or "*", target
