"""A generation that has a slot: its state between steps, and the choice of its tokens from logits."""

from dataclasses import dataclass, field

from msgspec import structs

from fireside.engine.grammar.constraint import Constraint
from fireside.engine.onnx.lora import Slot as AdapterSlot
from fireside.engine.outcomes import text_outcomes
from fireside.engine.runner import Outcome
from fireside.engine.sampling.processors import Logits
from fireside.engine.sampling.sampler import Sampler, check_best, is_reproducible, scores
from fireside.engine.types import GenerationRequest, Scores, Token, pack_scores
from fireside.errors import FiresideError


@dataclass(eq=False, slots=True)
class Sequence:
    """One running generation.

    Args:
        slot: index of its slot in the KV cache.
        reused: number of prompt tokens that the slot already held; 0 once reported.
        prompt_scores: scores of the prompt's tokens; empty once reported.
        pending: its newest token, which is not in the cache yet.
        decoded_at: number of the last step that decoded it.
    """

    request_id: int
    request: GenerationRequest
    slot: int
    sampler: Sampler
    adapter: AdapterSlot | None = None
    constraint: Constraint | None = None
    reused: int = 0
    prompt_scores: list[Scores] = field(default_factory=list)
    pending: int = -1
    num_generated: int = 0
    decoded_at: int = 0

    @property
    def account(self) -> str:
        return self.request.account

    @property
    def reproducible(self) -> bool:
        """Whether its answer must be identical whatever else is in the batch."""
        return is_reproducible(self.request.sampling)

    @property
    def takes_best(self) -> bool:
        """Whether its next token is simply the one with the largest logit."""
        return self.constraint is None and self.sampler.takes_best

    def score_prompt(self, logits: Logits, following: list[int]) -> None:
        """Score the `following` tokens of the prompt from the logits [n, vocab] that precede them."""
        count = self.request.scores or 0
        self.prompt_scores += [scores(row, token, count) for row, token in zip(logits, following, strict=True)]

    def advance(self, logits: Logits, best: int | None = None) -> list[Outcome]:
        """Choose the next token from logits [vocab]; the last outcome tells whether the answer ends.

        Args:
            best: the argmax of the logits, if it was computed for the whole batch.
        """
        outcomes: list[Outcome]
        try:
            outcomes = self._next(logits, best)
        except FiresideError as error:
            return [error]
        if (self.reused or self.prompt_scores) and isinstance(outcomes[0], Token):
            packed = pack_scores(self.prompt_scores) if self.prompt_scores else b""
            outcomes[0] = structs.replace(outcomes[0], reused=self.reused, prompt=packed)
            self.reused, self.prompt_scores = 0, []
        return outcomes

    def _next(self, logits: Logits, best: int | None) -> list[Outcome]:
        """The new token, and the end of the answer if that is already certain."""
        request, constraint = self.request, self.constraint
        token = self._choose(logits, best)
        self.pending = token
        scored = None if request.scores is None else scores(logits, token, request.scores)
        if token in request.stop_ids:
            return [Token(token, "stop", scores=scored)]
        self.num_generated += 1
        if constraint is not None:
            constraint.accept(token)
        return text_outcomes(request, token, self.num_generated, constraint, scored)

    def _choose(self, logits: Logits, best: int | None) -> int:
        if self.constraint is not None:
            return self.sampler.choose(logits, self.constraint.allowed())
        if best is None or not self.sampler.takes_best:
            return self.sampler.choose(logits)
        check_best(logits, best)
        return best
