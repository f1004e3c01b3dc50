"""The embedded engine: continuous batching on ONNX Runtime.

A step is: schedule, run the model, choose tokens. Requests join and leave between steps.
"""

import threading
import time

from fireside.engine.grammar.compiler import GrammarCompiler
from fireside.engine.onnx.adapters import AdapterTable
from fireside.engine.onnx.kv_slots import KvSlots
from fireside.engine.onnx.load import load_model
from fireside.engine.onnx.model_runner import DecodeInput
from fireside.engine.onnx.options import OnnxOptions
from fireside.engine.onnx.preparation import Preparation
from fireside.engine.onnx.scheduler import Batch, Chunk, Scheduler
from fireside.engine.onnx.sequence import Sequence
from fireside.engine.outcomes import check_request, has_ended
from fireside.engine.protocol import Progress
from fireside.engine.runner import Outcome
from fireside.engine.sampling.processors import Logits
from fireside.engine.types import EngineInfo, EngineStats, GenerationRequest

WAITING_SLEEP = 0.002
"""Seconds between two checks while all requests wait for an adapter or a grammar."""


class OnnxRunner:
    """Implements `fireside.engine.runner.Runner`."""

    def __init__(self, options: OnnxOptions, progress: Progress) -> None:
        started = time.monotonic()
        self._grammars = GrammarCompiler(options.tokens)
        loaded = load_model(options, progress)
        self._model = loaded.model
        self._vocab_size = loaded.config.vocab_size
        self._slots = KvSlots(loaded.cache, loaded.capacity)
        self._adapters = AdapterTable(loaded.bank, loaded.config) if loaded.bank else None
        preparation = Preparation(self._grammars, self._adapters, self._vocab_size)
        self._scheduler = Scheduler(self._slots, preparation, self._vocab_size)
        self._info = EngineInfo(
            context_length=loaded.context_length,
            max_num_seqs=options.max_num_seqs,
            vocab_size=self._vocab_size,
            load_seconds=time.monotonic() - started,
            warm=loaded.packed.file.warm,
        )
        # Flushing the repacked weights to disk takes a while; no request should wait for it.
        threading.Thread(target=loaded.packed.file.finish, name="save packed weights", daemon=True).start()
        self._generated_tokens = self._decode_steps = 0

    @property
    def info(self) -> EngineInfo:
        return self._info

    @property
    def busy(self) -> bool:
        return self._scheduler.busy

    def submit(self, request_id: int, request: GenerationRequest) -> None:
        check_request(request, self._vocab_size, adapters=self._adapters is not None)
        self._scheduler.add(request_id, request)

    def cancel(self, request_id: int) -> None:
        self._scheduler.cancel(request_id)

    def step(self) -> list[tuple[int, Outcome]]:
        batch = self._scheduler.schedule()
        outcomes: list[tuple[int, Outcome]] = list(batch.failed)
        first_logits = [self._prefill(chunk) for chunk in batch.chunks]
        logits = self._decode(batch)
        self._scheduler.update(batch)
        for chunk, row in zip(batch.chunks, first_logits, strict=True):
            if row is not None:
                outcomes += self._advance(chunk.sequence, row)
        if logits is not None:
            outcomes += self._choose(batch.decodes, logits)
        if not batch.chunks and not batch.decodes and self.busy:
            time.sleep(WAITING_SLEEP)  # all requests wait for an adapter or a grammar
        return outcomes

    def stats(self) -> EngineStats:
        scheduler = self._scheduler
        return EngineStats(
            running=len(scheduler.prefilling) + len(scheduler.decoding),
            waiting=len(scheduler.waiting),
            prompt_tokens=scheduler.prompt_tokens,
            reused_tokens=scheduler.reused_tokens,
            generated_tokens=self._generated_tokens,
            decode_steps=self._decode_steps,
        )

    def _prefill(self, chunk: Chunk) -> Logits | None:
        """Compute a part of a prompt; returns the logits [vocab] of the answer's first token if it is the last part."""
        sequence = chunk.sequence
        logits = self._model.prefill(sequence.slot, chunk.start, chunk.ids, sequence.adapter, every=chunk.scored)
        if chunk.scored:
            following = sequence.request.prompt_ids[chunk.start + 1 : chunk.start + 1 + len(chunk.ids)]
            sequence.score_prompt(logits, following)
        return logits[0].copy() if chunk.completes else None

    def _decode(self, batch: Batch) -> Logits | None:
        if not batch.decodes:
            return None
        self._decode_steps += 1
        inputs = [
            DecodeInput(sequence.slot, self._slots[sequence.slot].length, sequence.pending, sequence.adapter)
            for sequence in batch.decodes
        ]
        return self._model.decode(inputs, pad=not batch.last_is_inexact)

    def _choose(self, sequences: list[Sequence], logits: Logits) -> list[tuple[int, Outcome]]:
        takes_best = any(sequence.takes_best for sequence in sequences)
        best = logits.argmax(axis=1).tolist() if takes_best else [None] * len(sequences)
        outcomes: list[tuple[int, Outcome]] = []
        for sequence, row, token in zip(sequences, logits, best, strict=True):
            outcomes += self._advance(sequence, row, token)
        return outcomes

    def _advance(self, sequence: Sequence, logits: Logits, best: int | None = None) -> list[tuple[int, Outcome]]:
        """Choose a sequence's next token, and finish the sequence if it is the last one."""
        before = sequence.num_generated
        outcomes = sequence.advance(logits, best)
        self._generated_tokens += sequence.num_generated - before
        if has_ended(outcomes):
            self._scheduler.finish(sequence)
        return [(sequence.request_id, outcome) for outcome in outcomes]
