"""From a client's JSON schema to one that llguidance holds an answer to, without promising more than it keeps.

A schema of any draft becomes one of 2020-12 (`normaliser`) by `rules`, which leave out what constrains nothing. What
cannot be held to is refused by name and place. The rest is closed and laid out (`prepare`).
"""

from fireside.serving.schemas.prepare import LAID_OUT, ON_ONE_LINE, prepare

__all__ = ["LAID_OUT", "ON_ONE_LINE", "prepare"]
