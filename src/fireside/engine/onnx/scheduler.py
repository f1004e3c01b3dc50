"""What the next step computes: which requests get a slot, which prompts are prefilled how far, which answers step.

A step has a budget of tokens, shared by all prompts and all decodes. Half of what is left for prompts goes to the one
whose turn it is, the rest to those with the least to go: so a short prompt need not wait for a long one, and a long one
is never starved by short ones. Whose turn it is, and who decodes when accounts compete, is the virtual token counter's
to say (arXiv 2401.00588). Order of arrival is decided before, by `fireside.engine.admission`.
"""

import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from fireside.engine.fairness import VirtualTokenCounter
from fireside.engine.onnx.kv_slots import KvSlots
from fireside.engine.onnx.preparation import Prepared
from fireside.engine.onnx.sequence import Sequence
from fireside.engine.sampling.sampler import Sampler, is_reproducible
from fireside.engine.types import GenerationRequest
from fireside.errors import EngineFailed, FiresideError

logger = logging.getLogger(__name__)

ALONE_TOKENS = 256
"""Budget of a step with one prompt and nothing else."""

SHARED_TOKENS = 64
"""Budget of a step that others wait for. Also the most tokens of a prompt that are scored in one step, as the logits of
each take memory."""

MIN_CHUNK = 16
"""A part of a prompt that does not complete it is a multiple of this: smaller ones read the weights for too little."""

MAX_SHARE = 3
"""An account decodes at most this many times as many answers in a step as the one with the fewest."""


class Preparing(Protocol):
    """See `fireside.engine.onnx.preparation.Preparation`."""

    def begin(self, request_id: int, request: GenerationRequest) -> None: ...
    def acquire(self, request_id: int, request: GenerationRequest) -> Prepared | None: ...
    def release(self, request: GenerationRequest) -> None: ...
    def forget(self, request_id: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a prompt to prefill.

    Args:
        start: its first position.
        scored: the logits of every token are wanted, not only the last one's.
    """

    sequence: Sequence
    start: int
    ids: list[int]
    scored: bool = False

    @property
    def completes(self) -> bool:
        """Whether the answer's first token comes of it."""
        return self.start + len(self.ids) == len(self.sequence.request.prompt_ids)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step computes.

    Args:
        chunks: parts of prompts, in order.
        decodes: answers that get one more token.
        failed: requests that will never run, and why.
    """

    chunks: list[Chunk] = field(default_factory=list)
    decodes: list[Sequence] = field(default_factory=list)
    failed: list[tuple[int, FiresideError]] = field(default_factory=list)

    @property
    def last_is_inexact(self) -> bool:
        """Whether the last decode may differ from a prefill in the last bits, which takes less time where it is the
        last of an odd number (see `fireside.engine.onnx.model_runner.even`)."""
        return len(self.decodes) % 2 == 1 and not self.decodes[-1].reproducible


class Scheduler:
    """Knows requests and slots, and nothing of tensors.

    Args:
        preparation: what requests need before they may run.
        vocab_size: length of a row of logits.
    """

    def __init__(self, slots: KvSlots, preparation: Preparing, vocab_size: int) -> None:
        self.waiting: deque[tuple[int, GenerationRequest]] = deque()
        self.prefilling: list[Sequence] = []
        self.decoding: list[Sequence] = []
        self.prompt_tokens = self.reused_tokens = 0
        self._slots = slots
        self._preparation = preparation
        self._vocab_size = vocab_size
        self._counter = VirtualTokenCounter()
        self._steps = 0

    @property
    def busy(self) -> bool:
        return bool(self.waiting or self.prefilling or self.decoding)

    def add(self, request_id: int, request: GenerationRequest) -> None:
        """Queue a request."""
        self._preparation.begin(request_id, request)
        self.waiting.append((request_id, request))

    def cancel(self, request_id: int) -> None:
        """Forget a request, wherever it is."""
        self.waiting = deque(item for item in self.waiting if item[0] != request_id)
        self._preparation.forget(request_id)
        for sequence in [*self.prefilling, *self.decoding]:
            if sequence.request_id == request_id:
                self.finish(sequence)

    def schedule(self) -> Batch:
        """The next step."""
        failed = self._admit()
        decodes = self._fair_decodes()
        return Batch(self._chunks(len(decodes)), decodes, failed)

    def update(self, batch: Batch) -> None:
        """Note that a batch was computed, before its new tokens are chosen. Prompts that are complete decode from now
        on."""
        self._steps += 1
        for chunk in batch.chunks:
            self._counter.charge(chunk.sequence.account, prompt_tokens=len(chunk.ids))
            self._slots[chunk.sequence.slot].append(chunk.ids)
            if chunk.completes:
                self.prefilling.remove(chunk.sequence)
                self.decoding.append(chunk.sequence)
        for sequence in batch.decodes:
            self._counter.charge(sequence.account, answer_tokens=1)
            sequence.decoded_at = self._steps
            exact = not (batch.last_is_inexact and sequence is batch.decodes[-1])
            self._slots[sequence.slot].append([sequence.pending], exact=exact)

    def finish(self, sequence: Sequence) -> None:
        """A sequence has ended."""
        self._slots.finish(sequence.slot)
        self._preparation.release(sequence.request)
        self._counter.leave(sequence.account)
        (self.decoding if sequence in self.decoding else self.prefilling).remove(sequence)

    def _admit(self) -> list[tuple[int, FiresideError]]:
        """Give slots to those who wait, in order; those who wait for a grammar or an adapter do not hold up others."""
        failed: list[tuple[int, FiresideError]] = []
        kept: deque[tuple[int, GenerationRequest]] = deque()
        while self.waiting:
            request_id, request = self.waiting.popleft()
            try:
                prepared = self._preparation.acquire(request_id, request)
            except Exception as error:  # whatever it is, it concerns this request alone
                self._preparation.forget(request_id)
                failed.append((request_id, _failure(error)))
                continue
            if prepared is None:
                kept.append((request_id, request))
                continue
            if not self._place(request_id, request, prepared):
                self._preparation.release(request)
                kept.append((request_id, request))
                break
            self._preparation.forget(request_id)
        self.waiting = kept + self.waiting
        return failed

    def _place(self, request_id: int, request: GenerationRequest, prepared: Prepared) -> bool:
        """Let a request run, if there is a slot for it."""
        slot = self._slots.place(
            request.prompt_ids,
            len(request.prompt_ids) + request.max_tokens,
            # An adapter changes keys and values: what one computed is not a prefix for another.
            (request.account, request.cache_salt, request.adapter.id if request.adapter else ""),
            exact=is_reproducible(request.sampling),
            fresh=request.score_prompt,
        )
        if slot is None:
            return False
        reused = self._slots[slot].length
        self.prompt_tokens += len(request.prompt_ids)
        self.reused_tokens += reused
        self._counter.wait(request.account)
        sampler = Sampler(request.sampling, request.prompt_ids, self._vocab_size, request.stop_ids)
        self.prefilling.append(
            Sequence(request_id, request, slot, sampler, prepared.adapter, prepared.constraint, reused)
        )
        return True

    def _fair_decodes(self) -> list[Sequence]:
        """Who decodes: everybody, but where accounts compete none with more than MAX_SHARE times the fewest.

        Of an account with more, those go first that have waited longest. One that need not be reproducible comes last,
        as the last of an odd number is computed in a quicker way.
        """
        by_account: dict[str, list[Sequence]] = {}
        for sequence in self.decoding:
            by_account.setdefault(sequence.account, []).append(sequence)
        most = MAX_SHARE * min(map(len, by_account.values()), default=0)
        chosen: Iterable[Sequence] = self.decoding
        if any(len(sequences) > most for sequences in by_account.values()):
            chosen = [
                sequence
                for sequences in by_account.values()
                for sequence in sorted(sequences, key=lambda sequence: sequence.decoded_at)[:most]
            ]
        return sorted(chosen, key=lambda sequence: not sequence.reproducible)

    def _chunks(self, decodes: int) -> list[Chunk]:
        """How the step's budget is shared between prompts."""
        if not self.prefilling:
            return []
        alone = len(self.prefilling) == 1 and not decodes
        budget = ALONE_TOKENS if alone else max(MIN_CHUNK, SHARED_TOKENS - decodes)
        turn = min(self.prefilling, key=lambda sequence: self._counter.cost(sequence.account))
        others = sorted((one for one in self.prefilling if one is not turn), key=self._left)
        shortest_first, left = [], budget - min(self._left(turn), budget // 2)
        for sequence in others:
            size = min(self._left(sequence), left)
            if size < self._left(sequence):
                size -= size % MIN_CHUNK
            if size:
                shortest_first.append(self._chunk(sequence, size))
                left -= size
        rest = budget - sum(len(chunk.ids) for chunk in shortest_first)
        return [*shortest_first, self._chunk(turn, min(self._left(turn), max(MIN_CHUNK, rest - rest % MIN_CHUNK)))]

    def _left(self, sequence: Sequence) -> int:
        """Tokens of its prompt that are still to be computed."""
        return len(sequence.request.prompt_ids) - self._slots[sequence.slot].length

    def _chunk(self, sequence: Sequence, size: int) -> Chunk:
        prompt_ids, start = sequence.request.prompt_ids, self._slots[sequence.slot].length
        last = len(prompt_ids) - 1
        if sequence.request.score_prompt and start < last:
            # Its last token is left to the usual way.
            return Chunk(sequence, start, prompt_ids[start : min(start + size, start + SHARED_TOKENS, last)], True)
        return Chunk(sequence, start, prompt_ids[start : start + size])


def _failure(error: Exception) -> FiresideError:
    if isinstance(error, FiresideError):
        return error
    logger.error("a request could not be started", exc_info=error)
    return EngineFailed(f"The request could not be started ({type(error).__name__}). The server's log says more.")
