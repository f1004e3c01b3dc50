"""What a request and its chosen tokens come to, for runners: which requests are valid, and where an answer ends."""

from typing import Protocol

from fireside.engine.runner import Outcome
from fireside.engine.types import GenerationRequest, Scores, Token
from fireside.errors import ConstraintNotMet


class Followed(Protocol):
    """A constraint that has accepted the answer's tokens so far (`fireside.engine.grammar.constraint`)."""

    @property
    def closed(self) -> bool: ...

    def cut(self, tokens: int) -> ConstraintNotMet | None: ...


def check_request(request: GenerationRequest, vocab_size: int, *, adapters: bool) -> None:
    """Raise ValueError for a request that the loaded model cannot run.

    Args:
        adapters: whether the model was loaded for adapters.
    """
    if not request.prompt_ids or not all(0 <= token < vocab_size for token in request.prompt_ids):
        raise ValueError("the prompt has no tokens, or tokens outside the vocabulary")
    sampling = request.sampling
    if not all(0 <= token < vocab_size for token in (*sampling.logit_bias, *sampling.allowed_ids)):
        raise ValueError("logit_bias or allowed_ids contains tokens outside the vocabulary")
    if request.adapter is not None and not adapters:
        raise ValueError("this model does not support adapters")


def text_outcomes(
    request: GenerationRequest, token: int, num_generated: int, constraint: Followed | None, scored: Scores | None
) -> list[Outcome]:
    """The outcomes of a new token that is not a stop token: itself, and the end of the answer if that is certain.

    Args:
        num_generated: number of the answer's tokens, this one included.
        constraint: the answer's constraint, which has accepted the token.
    """
    full = num_generated == request.max_tokens
    if constraint is not None:
        if constraint.closed:  # only a stop token could follow: no need to compute it
            return [Token(token, scores=scored), Token(request.stop_ids[0] if request.stop_ids else 0, "stop")]
        if full and not request.keep_cut and (cut := constraint.cut(request.max_tokens)):
            return [Token(token, scores=scored), cut]
    return [Token(token, "length" if full else None, scores=scored)]


def has_ended(outcomes: list[Outcome]) -> bool:
    """Whether the last outcome of a generation ends it."""
    last = outcomes[-1]
    return not isinstance(last, Token) or last.finish_reason is not None
