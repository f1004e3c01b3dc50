"""How likely tokens were, in the two forms that OpenAI's API has for it."""

from collections.abc import Callable, Iterable

from fireside.api.openai.objects import ChatLogprobs, SaidLogprob, TextLogprobs, TokenLogprob
from fireside.serving.tokens import Likely, ScoredToken

TokenName = Callable[[int, bytes], str]
"""What a token is called, by its id and its text."""


def chat_name(token: int, text: bytes) -> str:
    """Its text, or its bytes where that is not UTF-8: "\\xf0\\x9f"."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return "".join(f"\\x{byte:02x}" for byte in text)


def text_name(token: int, text: bytes) -> str:
    """Its text, or its bytes where that is not UTF-8: "bytes:\\xf0\\x9f"."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return f"bytes:{chat_name(token, text)}"


def id_name(token: int, text: bytes) -> str:
    """vLLM's return_tokens_as_token_ids: "token_id:17"."""
    return f"token_id:{token}"


def chat_logprobs(scored: Iterable[ScoredToken], name: TokenName) -> ChatLogprobs:
    """For chat/completions."""
    return ChatLogprobs(
        [
            SaidLogprob(
                name(token.id, token.text),
                token.logprob or 0.0,
                list(token.text),
                [TokenLogprob(name(one.id, one.text), one.logprob, list(one.text)) for one in token.best],
            )
            for token in scored
        ]
    )


def text_logprobs(scored: Iterable[tuple[int, ScoredToken]], name: TokenName) -> TextLogprobs:
    """For completions.

    Args:
        scored: each with where the text begins that its `start` counts from, in characters.
    """
    told = TextLogprobs([], [], [], [])
    for base, token in scored:
        told.tokens.append(name(token.id, token.text))
        told.token_logprobs.append(token.logprob)
        told.top_logprobs.append(_top(token, name))
        told.text_offset.append(base + token.start)
    return told


def _top(token: ScoredToken, name: TokenName) -> dict[str, float] | None:
    if token.logprob is None:
        return None
    own = Likely(token.id, token.text, token.logprob)
    # Of two tokens of one name the likelier is told.
    return {name(one.id, one.text): one.logprob for one in reversed((*token.best, own))}
