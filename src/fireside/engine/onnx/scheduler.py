"""Decides what the next step computes: which requests get a slot, how far prompts are prefilled, which answers decode.

A step has a token budget, which all prompts and decodes share. Half of the prompts' part goes to the prompt whose turn
it is, the rest to those with the fewest tokens left. So a short prompt does not wait for a long one, and short prompts
never starve a long one. The virtual token counter (arXiv 2401.00588) decides whose turn it is, and which answers decode
when accounts compete. `fireside.engine.admission` has decided the order of the requests before.
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
"""Token budget of a step with one prompt and nothing else."""

SHARED_TOKENS = 64
"""Token budget of any other step. Also the maximum number of prompt tokens scored in one step, because the logits of
each take memory."""

MIN_CHUNK = 16
"""A part that does not complete its prompt is a multiple of this; smaller ones read the weights for too few tokens."""

MAX_SHARE = 3
"""In a step, an account decodes at most this many times the answers of the account with the fewest."""


class Preparing(Protocol):
    """The interface of `fireside.engine.onnx.preparation.Preparation`."""

    def begin(self, request_id: int, request: GenerationRequest) -> None: ...
    def acquire(self, request_id: int, request: GenerationRequest) -> Prepared | None: ...
    def release(self, request: GenerationRequest) -> None: ...
    def forget(self, request_id: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a prompt to prefill.

    Args:
        start: its first position in the prompt.
        scored: whether the logits of every token are wanted, and not only those of the last one.
    """

    sequence: Sequence
    start: int
    ids: list[int]
    scored: bool = False

    @property
    def completes(self) -> bool:
        """Whether it ends the prompt, so that the answer's first token can be chosen."""
        return self.start + len(self.ids) == len(self.sequence.request.prompt_ids)


@dataclass(frozen=True, slots=True)
class Batch:
    """The work of one step.

    Args:
        chunks: parts of prompts, in order.
        decodes: answers that get one more token.
        failed: requests that will never run, with the reasons.
    """

    chunks: list[Chunk] = field(default_factory=list)
    decodes: list[Sequence] = field(default_factory=list)
    failed: list[tuple[int, FiresideError]] = field(default_factory=list)

    @property
    def last_is_inexact(self) -> bool:
        """Whether the last decode is computed faster and may differ from a prefill in the last bits.

        It is if it is the last of an odd number and need not be reproducible (see
        `fireside.engine.onnx.model_runner.even`).
        """
        return len(self.decodes) % 2 == 1 and not self.decodes[-1].reproducible


class Scheduler:
    """Schedules requests onto slots; knows nothing about tensors.

    Args:
        preparation: provides what requests need before they run.
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
        """Forget a request in any state."""
        self.waiting = deque(item for item in self.waiting if item[0] != request_id)
        self._preparation.forget(request_id)
        for sequence in [*self.prefilling, *self.decoding]:
            if sequence.request_id == request_id:
                self.finish(sequence)

    def schedule(self) -> Batch:
        """Admit requests and return the next step's batch."""
        failed = self._admit()
        decodes = self._fair_decodes()
        return Batch(self._chunks(len(decodes)), decodes, failed)

    def update(self, batch: Batch) -> None:
        """Note that a batch was computed; call it before its new tokens are chosen.

        Sequences whose prompts are complete decode from the next step on.
        """
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
        """Remove a sequence that has ended."""
        self._slots.finish(sequence.slot)
        self._preparation.release(sequence.request)
        self._counter.leave(sequence.account)
        (self.decoding if sequence in self.decoding else self.prefilling).remove(sequence)

    def _admit(self) -> list[tuple[int, FiresideError]]:
        """Give slots to waiting requests, in order; those that wait for a grammar or an adapter block no others."""
        failed: list[tuple[int, FiresideError]] = []
        kept: deque[tuple[int, GenerationRequest]] = deque()
        while self.waiting:
            request_id, request = self.waiting.popleft()
            try:
                prepared = self._preparation.acquire(request_id, request)
            except Exception as error:  # any error concerns only this request
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
        """Start a request if there is a slot for it, and return whether there was."""
        slot = self._slots.place(
            request.prompt_ids,
            len(request.prompt_ids) + request.max_tokens,
            # An adapter changes keys and values, so prefixes are not shared between adapters.
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
        """The answers that decode: all, but per account at most MAX_SHARE times those of the account with the fewest.

        Of an account with more, the ones that have waited longest are chosen. Answers that need not be reproducible
        come last, because the last of an odd number is computed in a faster way.
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
        """Share the step's token budget between the prompts."""
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
        """The number of tokens of a sequence's prompt that are not computed yet."""
        return len(sequence.request.prompt_ids) - self._slots[sequence.slot].length

    def _chunk(self, sequence: Sequence, size: int) -> Chunk:
        prompt_ids, start = sequence.request.prompt_ids, self._slots[sequence.slot].length
        last = len(prompt_ids) - 1
        if sequence.request.score_prompt and start < last:
            # The last token is a normal chunk: its logits choose the answer's first token and score none of the prompt.
            return Chunk(sequence, start, prompt_ids[start : min(start + size, start + SHARED_TOKENS, last)], True)
        return Chunk(sequence, start, prompt_ids[start : start + size])


def _failure(error: Exception) -> FiresideError:
    if isinstance(error, FiresideError):
        return error
    logger.error("a request could not be started", exc_info=error)
    return EngineFailed(f"The request could not be started ({type(error).__name__}). The server's log says more.")
