"""Every attack by its name. A new one is a function in a module of its kind, and a line here."""

from bench.attacks import bodies, connections, schemas, streams
from bench.attacks.target import Attack

ATTACKS: dict[str, Attack] = {
    attack.__name__: attack
    for attack in (
        bodies.many_messages,
        bodies.most_messages,
        bodies.many_functions,
        bodies.wide_bodies,
        bodies.large_plain_bodies,
        bodies.many_digits,
        streams.streams_100,
        streams.streams_560,
        connections.idle_connections,
        connections.slow_heads,
        connections.slow_bodies,
        connections.deaf_readers,
        connections.wrong_tokens,
        connections.trailing_token,
        schemas.hostile_schemas,
        schemas.ever_new_schemas,
    )
}

ON_JSON = {schemas.hostile_schemas.__name__, schemas.ever_new_schemas.__name__}
"""Attacks on what only requests for JSON pass through: the quiet account asks for JSON, too."""
