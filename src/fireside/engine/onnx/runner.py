"""The embedded engine: continuous batching on ONNX Runtime.

Each step prefills at most one chunk of one prompt, then decodes one token for every running generation. So requests
join and leave between steps, and a long prompt delays the others by a chunk at a time.
"""

import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from fireside.engine.grammar.compiler import GrammarCompiler
from fireside.engine.grammar.constraint import Constraint
from fireside.engine.onnx.adapters import AdapterTable
from fireside.engine.onnx.decoder import even
from fireside.engine.onnx.load import load_decoder
from fireside.engine.onnx.lora import Slot
from fireside.engine.onnx.options import OnnxOptions
from fireside.engine.onnx.rows import RowTable
from fireside.engine.protocol import Progress
from fireside.engine.runner import Outcome
from fireside.engine.sampling import Sampler, check_best, is_reproducible, scores
from fireside.engine.types import EngineInfo, EngineStats, GenerationRequest, Scores, Token, pack_scores
from fireside.errors import FiresideError

WAITING_NAP = 0.002
"""Seconds between two looks at what all requests wait for."""

CHUNK_ALONE = 256
CHUNK_SHARED = 64
"""Prompt tokens of one step, when nobody else is waiting for it and when running generations are. The smaller one also
where each token's logits are wanted, of which every one takes memory."""


@dataclass(slots=True)
class _Sequence:
    """A generation that has a row.

    Args:
        reused: tokens of the prompt that the row held already; 0 once that was told.
        scored: scores of the prompt's tokens, until they are told.
        pending: its newest token, which the cache does not hold yet.
    """

    request_id: int
    request: GenerationRequest
    row: int
    sampler: Sampler
    adapter: Slot | None = None
    constraint: Constraint | None = None
    reused: int = 0
    scored: list[Scores] = field(default_factory=list)
    pending: int = -1
    made: int = 0


class OnnxRunner:
    """Implements `fireside.engine.runner.Runner`."""

    def __init__(self, options: OnnxOptions, progress: Progress) -> None:
        started = time.monotonic()
        self._grammars = GrammarCompiler(options.tokens)
        loaded = load_decoder(options, progress)
        self._decoder = loaded.decoder
        self._vocab_size = loaded.config.vocab_size
        self._table = RowTable(loaded.cache, options.max_num_seqs, loaded.capacity)
        self._adapters = AdapterTable(loaded.bank, loaded.config) if loaded.bank else None
        self._info = EngineInfo(
            context_length=loaded.context_length,
            max_num_seqs=options.max_num_seqs,
            vocab_size=self._vocab_size,
            load_seconds=time.monotonic() - started,
            warm=loaded.packed.file.warm,
        )
        # Bringing the repacked weights to disk takes a while; nobody should wait for it.
        threading.Thread(target=loaded.packed.file.finish, name="save packed weights", daemon=True).start()
        self._waiting: deque[tuple[int, GenerationRequest]] = deque()
        self._compiling: dict[int, Future[Constraint]] = {}
        self._prefilling: deque[_Sequence] = deque()
        self._decoding: dict[int, _Sequence] = {}
        self._prompt_tokens = self._reused_tokens = self._generated_tokens = self._decode_steps = 0

    @property
    def info(self) -> EngineInfo:
        return self._info

    @property
    def busy(self) -> bool:
        return bool(self._waiting or self._prefilling or self._decoding)

    def submit(self, request_id: int, request: GenerationRequest) -> None:
        if not request.prompt_ids or not all(0 <= token < self._vocab_size for token in request.prompt_ids):
            raise ValueError("the prompt has no tokens, or tokens outside the vocabulary")
        sampling = request.sampling
        if not all(0 <= token < self._vocab_size for token in (*sampling.logit_bias, *sampling.allowed_ids)):
            raise ValueError("logit_bias or allowed_ids name tokens outside the vocabulary")
        if request.adapter is not None and self._adapters is None:
            raise ValueError("this model takes no adapters")
        if request.grammar is not None:
            self._compiling[request_id] = self._grammars.compile(request.grammar, self._vocab_size, request.account)
        self._waiting.append((request_id, request))

    def cancel(self, request_id: int) -> None:
        self._waiting = deque(item for item in self._waiting if item[0] != request_id)
        if compiling := self._compiling.pop(request_id, None):
            compiling.cancel()
        for sequence in [*self._prefilling, *self._decoding.values()]:
            if sequence.request_id == request_id:
                self._leave(sequence)

    def step(self) -> list[tuple[int, Outcome]]:
        made = self._admit()
        if self._waiting and not self._prefilling and not self._decoding:
            time.sleep(WAITING_NAP)  # all there is to do is to wait for an adapter or a grammar
        if self._prefilling:
            made += self._prefill(self._prefilling[0])
        if self._decoding:
            self._close_gaps()
            made += self._decode()
        return made

    def stats(self) -> EngineStats:
        return EngineStats(
            running=len(self._prefilling) + len(self._decoding),
            waiting=len(self._waiting),
            prompt_tokens=self._prompt_tokens,
            reused_tokens=self._reused_tokens,
            generated_tokens=self._generated_tokens,
            decode_steps=self._decode_steps,
        )

    def _admit(self) -> list[tuple[int, Outcome]]:
        """Give rows to those who wait, in order; who waits for an adapter or a grammar does not hold up the others."""
        failed: list[tuple[int, Outcome]] = []
        kept: deque[tuple[int, GenerationRequest]] = deque()
        while self._waiting:
            request_id, request = self._waiting.popleft()
            compiling = self._compiling.get(request_id)
            if compiling is not None and not compiling.done():
                kept.append((request_id, request))
                continue
            try:
                constraint = compiling.result() if compiling is not None else None
                adapter = self._acquire(request)
            except FiresideError as error:
                self._compiling.pop(request_id, None)
                failed.append((request_id, error))
                continue
            if request.adapter is not None and adapter is None:
                kept.append((request_id, request))
                continue
            reserve = len(request.prompt_ids) + request.max_tokens
            # An adapter changes keys and values: what one computed is no prefix for another.
            cache_key = (request.account, request.cache_salt, request.adapter.id if request.adapter else "")
            row = self._table.place(
                request.prompt_ids,
                reserve,
                cache_key,
                exact=is_reproducible(request.sampling),
                fresh=request.score_prompt,
            )
            if row is None:
                self._release(request)
                kept.append((request_id, request))
                break
            self._prompt_tokens += len(request.prompt_ids)
            reused = self._table.rows[row].length
            self._reused_tokens += reused
            sampler = Sampler(request.sampling, request.prompt_ids, self._vocab_size, request.stop_ids)
            self._compiling.pop(request_id, None)
            self._prefilling.append(_Sequence(request_id, request, row, sampler, adapter, constraint, reused))
        self._waiting = kept + self._waiting
        return failed

    def _acquire(self, request: GenerationRequest) -> Slot | None:
        if request.adapter is None or self._adapters is None:
            return None
        return self._adapters.acquire(request.adapter)

    def _release(self, request: GenerationRequest) -> None:
        if request.adapter is not None and self._adapters is not None:
            self._adapters.release(request.adapter)

    def _prefill(self, sequence: _Sequence) -> list[tuple[int, Outcome]]:
        row = self._table.rows[sequence.row]
        prompt_ids = sequence.request.prompt_ids
        if sequence.request.score_prompt and row.length < len(prompt_ids) - 1:
            self._score_prompt(sequence)
            return []
        size = CHUNK_SHARED if self._decoding else CHUNK_ALONE
        ids = prompt_ids[row.length : row.length + size]
        logits = self._decoder.prefill(sequence.row, row.length, ids, sequence.adapter)
        row.append(ids)
        if row.length < len(prompt_ids):
            return []
        self._prefilling.popleft()
        self._decoding[sequence.row] = sequence
        return self._accept(sequence, logits, None)

    def _score_prompt(self, sequence: _Sequence) -> None:
        """Prefill a chunk of a prompt whose tokens are to be scored; its last token is left to the usual way."""
        row, prompt_ids = self._table.rows[sequence.row], sequence.request.prompt_ids
        ids = prompt_ids[row.length : min(row.length + CHUNK_SHARED, len(prompt_ids) - 1)]
        following = prompt_ids[row.length + 1 : row.length + 1 + len(ids)]
        logits = self._decoder.prefill_all(sequence.row, row.length, ids, sequence.adapter)
        count = sequence.request.scores or 0
        sequence.scored += [scores(after, token, count) for after, token in zip(logits, following, strict=True)]
        row.append(ids)

    def _decode(self) -> list[tuple[int, Outcome]]:
        rows = self._table.rows
        top = max(self._decoding)
        # Half the work for a single stream, of which nobody asked that it be the same again.
        alone = top % 2 == 0 and not is_reproducible(self._decoding[top].request.sampling)
        count = top + 1 if alone else even(top + 1)
        ids = [0] * count
        adapters: list[Slot | None] = [None] * count
        for index, sequence in self._decoding.items():
            ids[index] = sequence.pending
            adapters[index] = sequence.adapter
        logits = self._decoder.decode(ids, [row.length for row in rows[:count]], adapters)
        self._decode_steps += 1
        best = logits.argmax(axis=1) if any(_takes_best(sequence) for sequence in self._decoding.values()) else None
        made = []
        for sequence in list(self._decoding.values()):
            rows[sequence.row].append([sequence.pending], exact=not (alone and sequence.row == top))
            made += self._accept(sequence, logits[sequence.row], best)
        return made

    def _accept(
        self, sequence: _Sequence, logits: NDArray[np.float32], best: NDArray[np.intp] | None
    ) -> list[tuple[int, Outcome]]:
        """Choose a new token; the sequence leaves with its last one."""
        made: list[Outcome]
        try:
            made = self._next(sequence, logits, best)
        except FiresideError as error:
            made = [error]
        if (sequence.reused or sequence.scored) and isinstance(made[0], Token):
            packed = pack_scores(sequence.scored) if sequence.scored else b""
            made[0] = structs.replace(made[0], reused=sequence.reused, prompt=packed)
            sequence.reused, sequence.scored = 0, []
        last = made[-1]
        if not isinstance(last, Token) or last.finish_reason:
            self._leave(sequence)
        return [(sequence.request_id, outcome) for outcome in made]

    def _next(self, sequence: _Sequence, logits: NDArray[np.float32], best: NDArray[np.intp] | None) -> list[Outcome]:
        """The new token, and the end of the answer where it is certain now."""
        request, constraint = sequence.request, sequence.constraint
        token = _choose(sequence, logits, best)
        sequence.pending = token
        scored = None if request.scores is None else scores(logits, token, request.scores)
        if token in request.stop_ids:
            return [Token(token, "stop", scores=scored)]
        sequence.made += 1
        self._generated_tokens += 1
        full = sequence.made == request.max_tokens
        if constraint is not None:
            constraint.accept(token)
            if constraint.closed:  # the next token could only be a stop token: no need to compute that
                return [Token(token, scores=scored), Token(request.stop_ids[0] if request.stop_ids else 0, "stop")]
            if full and not request.keep_cut and (cut := constraint.cut(request.max_tokens)):
                return [Token(token, scores=scored), cut]
        return [Token(token, "length" if full else None, scores=scored)]

    def _leave(self, sequence: _Sequence) -> None:
        self._table.finish(sequence.row)
        self._release(sequence.request)
        if self._decoding.get(sequence.row) is sequence:
            del self._decoding[sequence.row]
        else:
            self._prefilling.remove(sequence)

    def _close_gaps(self) -> None:
        """Move the highest running row into a gap when that makes the step smaller; gaps are computed for nothing."""
        top = max(self._decoding)
        if self._waiting or even(top + 1) <= even(len(self._decoding)):
            return
        gap = next((index for index, row in enumerate(self._table.rows[:top]) if row.idle), None)
        if gap is None:
            return
        self._table.swap(gap, top)
        sequence = self._decoding.pop(top)
        sequence.row = gap
        self._decoding[gap] = sequence


def _takes_best(sequence: _Sequence) -> bool:
    """Whether the largest logit of all is its next token."""
    return sequence.sampler.greedy and sequence.constraint is None


def _choose(sequence: _Sequence, logits: NDArray[np.float32], best: NDArray[np.intp] | None) -> int:
    if sequence.constraint is not None:
        return sequence.sampler.choose(logits, sequence.constraint.allowed())
    if best is None or not sequence.sampler.greedy:
        return sequence.sampler.choose(logits)
    token = int(best[sequence.row])
    check_best(logits, token)
    return token
