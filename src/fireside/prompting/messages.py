"""What prompting takes: a typed conversation."""

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `content` is plain text; it never becomes a control token."""

    role: Role
    content: str
