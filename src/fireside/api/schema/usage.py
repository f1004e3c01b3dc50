"""Tokens of a request, as clients read them."""

import msgspec
from msgspec import UNSET, UnsetType

from fireside.serving.types import Usage


class PromptDetails(msgspec.Struct, frozen=True):
    """Of the prompt's tokens, those that the engine still held from an earlier request of the account."""

    cached_tokens: int


class TokenUsage(msgspec.Struct, frozen=True):
    """Tokens of one request; details where some of the prompt's were cached."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails | UnsetType = UNSET


def usage_object(usage: Usage | None) -> TokenUsage:
    """Usage as clients read it; of an answer's last piece, which always has one."""
    assert usage is not None
    made, read = usage.completion_tokens, usage.prompt_tokens
    details = PromptDetails(usage.cached_tokens) if usage.cached_tokens else UNSET
    return TokenUsage(read, made, read + made, details)
