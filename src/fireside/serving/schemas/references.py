"""What a `$ref` refers to: within the document, as nothing is fetched.

Source: JSON Schema 2020-12, core, sections 8 and 9.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote, urldefrag, urljoin

from fireside.engine.grammar.keywords import Place
from fireside.serving.schemas.fault import SchemaFault, shown

_Trail = tuple[()] | tuple[Any, str]
"""A place as the place before it and the last step: of many thousand parts, few are ever asked where they are."""


class Target(NamedTuple):
    """A schema that is referred to, where it is, and the URI that references in it start from."""

    schema: Any
    place: Place
    base: str


class References:
    """The schemas of one document by URI, anchor and pointer.

    Args:
        root: the document. It must not change.
    """

    def __init__(self, root: Any) -> None:
        self._resources: dict[str, Target] = {"": Target(root, (), "")}
        self._anchors: dict[tuple[str, str], Target] = {}
        self._bases: dict[int, str] = {}
        waiting: list[tuple[Any, _Trail, str]] = [(root, (), "")]
        while waiting:
            node, trail, base = waiting.pop()
            if isinstance(node, Mapping):
                base = self._index(node, trail, base)
                waiting += [
                    (child, (trail, key), base) for key, child in node.items() if isinstance(child, dict | list)
                ]
            elif isinstance(node, list):
                waiting += [(child, (trail, str(number)), base) for number, child in enumerate(node)]

    def base(self, node: Mapping[str, Any], inherited: str) -> str:
        """The URI that references in a node start from."""
        return self._bases.get(id(node), inherited)

    def find(self, reference: str, base: str, place: Place) -> Target:
        """What a reference at this place means. Raises SchemaFault."""
        # Not with urljoin, which knows no fragments of URNs.
        uri, fragment = (base, reference[1:]) if reference.startswith("#") else _joined(base, reference)
        resource = self._resources.get(uri)
        if resource is None:
            raise SchemaFault(
                place,
                f"{shown(reference)} is another document; nothing is fetched. Copy it into $defs, and refer to that.",
            )
        fragment = unquote(fragment)
        found = self._walk(resource, fragment) if fragment[:1] in ("", "/") else self._anchors.get((uri, fragment))
        if found is None:
            raise SchemaFault(place, f"{shown(reference)} is not in the schema. Add it to $defs, or correct its name.")
        return found

    def _walk(self, resource: Target, fragment: str) -> Target | None:
        node, place, base = resource
        for step in fragment.split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(node, Mapping) and key in node:
                node = node[key]
            elif isinstance(node, list) and key.isdecimal() and int(key) < len(node):
                node = node[int(key)]
            else:
                return None
            place = (*place, key)
            base = self._bases.get(id(node), base)
        return Target(node, place, base)

    def _index(self, node: Mapping[str, Any], trail: _Trail, base: str) -> str:
        """Take in one part; the URI that its own parts start from."""
        if isinstance(own := node.get("$id"), str):
            base = _joined(base, own)[0]
            self._resources.setdefault(base, Target(node, _place(trail), base))
        self._bases[id(node)] = base
        for keyword in ("$anchor", "$dynamicAnchor"):
            if isinstance(anchor := node.get(keyword), str):
                self._anchors.setdefault((base, anchor), Target(node, _place(trail), base))
        return base

    @property
    def single(self) -> bool:
        """Whether no schema inside has a URI of its own: then dynamic references are plain ones."""
        return len(self._resources) <= 2 and all(not target.place for target in self._resources.values())


def _joined(base: str, reference: str) -> tuple[str, str]:
    """A URI and its fragment; what is not a URI stands for itself."""
    try:
        uri, fragment = urldefrag(urljoin(base, reference))
    except ValueError:
        return reference, ""
    return uri, fragment


def _place(trail: _Trail) -> Place:
    steps = []
    while trail:
        trail, step = trail
        steps.append(step)
    return tuple(reversed(steps))
