"""A tokenizer may have tokens that the weights do not: people add some and do not train them, or mix two models' files.

(The other way round is usual: weights are padded to a round number.)
"""

from collections.abc import Sequence

from fireside.chat.spec import PromptSpec
from fireside.errors import InvalidInput, UnsupportedWeights
from fireside.prompting import Vocabulary
from fireside.prompting.prompt import control_texts

_SHOWN = 100


def check_known(
    ids: Sequence[int], vocab_size: int, tokenizer: Vocabulary, *, field: str, style: PromptSpec | None
) -> None:
    """Whether the weights have each token of a prompt, at least one.

    Args:
        vocab_size: how many they have.
        field: of the request, which the prompt came from.
        style: what the prompt was written in; None for a raw one.

    Raises InvalidInput, which names the token; UnsupportedWeights when it is the model's own and not the request's.
    """
    if max(ids) < vocab_size:
        return
    token = next(token for token in ids if token >= vocab_size)
    fault = f"the token {token_name(tokenizer, token)}, which the tokenizer has and the model's weights do not"
    own = frozenset() if style is None else control_texts(style)
    if tokenizer.spelling(token).decode(errors="replace") in own | {tokenizer.bos_token}:
        raise UnsupportedWeights(
            f"Every prompt needs {fault}. Choose another prompt.style in the model's catalog file, or fetch weights "
            "and tokenizer of one model."
        )
    raise InvalidInput([f"{field}: holds {fault}; ids from {vocab_size} on cannot be used"])


def token_name(tokenizer: Vocabulary, token: int) -> str:
    """A token as people know it: its text, and its id."""
    return f"{tokenizer.spelling(token).decode(errors='replace')[:_SHOWN]!r} ({token})"
