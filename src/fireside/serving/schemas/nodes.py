"""A schema while it is rewritten, and what its references mean."""

from collections.abc import Callable
from typing import Any

Node = dict[str, Any]
"""A schema's keywords, which a rule changes."""

Resolve = Callable[[Any], Any]
"""The schema that one means which may be a `$ref` alone. Raises SchemaFault."""
