"""Which models are in memory: loaded on first use, one engine process each, the longest unused making way for
another."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from fireside.catalog.spec import ModelSpec, Unavailable
from fireside.engine.admission import Admission
from fireside.engine.options import TokenTable
from fireside.engine.protocol import Engine
from fireside.engine.registry import create
from fireside.errors import Busy, EngineError, FiresideError, ModelNotReady, ShuttingDown, for_operators
from fireside.prompting import ByteTokenizer, Vocabulary, answer_bytes, open_tokenizer, stop_ids
from fireside.serving.engine_options import check_requirements, engine_of, engine_options, spare_seqs
from fireside.serving.known_tokens import token_name
from fireside.serving.types import ModelStatus
from fireside.settings import Settings
from fireside.weights.facts import check_facts
from fireside.weights.locate import is_downloaded, locate

logger = logging.getLogger(__name__)

FAILURE_SECONDS = 1.0
"""For so long a failed load answers every request for the model; then the next request tries again."""


@dataclass(slots=True)
class LoadedModel:
    """A model that can answer.

    Args:
        vocab_size: ids that both the tokenizer and the weights have begin at 0 and end before this.
        context_length: what its engine really has, in tokens.
    """

    spec: ModelSpec
    engine: Engine
    tokenizer: Vocabulary
    stop_ids: list[int]
    vocab_size: int
    context_length: int
    admission: Admission


@dataclass(slots=True)
class _Entry:
    """One model's place in the pool. `users` counts requests under way; only a model without any may be closed."""

    loading: asyncio.Task[LoadedModel]
    users: int = 0
    used_at: float = 0.0
    phase: str = "starting"
    done: int = 0
    total: int = 0

    def progress(self, phase: str, done: int, total: int) -> None:
        self.phase, self.done, self.total = phase, done, total


@dataclass(slots=True)
class ModelPool:
    """All engines of this server. Lives in one event loop."""

    settings: Settings
    _entries: dict[str, _Entry] = field(default_factory=dict)
    _failures: dict[str, str] = field(default_factory=dict)
    _ending: set[asyncio.Task[None]] = field(default_factory=set)
    _closed: bool = False

    @asynccontextmanager
    async def use(self, spec: ModelSpec) -> AsyncIterator[LoadedModel]:
        """The loaded model, which stays loaded inside the context.

        Raises ModelError leaves and EngineFailed when it cannot be loaded (a later use tries again), ShuttingDown when
        the pool is closed.
        """
        entry = self._entries.get(spec.id) or await self._make_entry(spec)
        entry.users += 1
        try:
            # Waited for, not awaited: that one impatient client goes away must not undo the load for the others.
            await asyncio.wait([entry.loading])
            if entry.loading.cancelled():
                raise _closing()
            yield entry.loading.result()
        finally:
            entry.users -= 1
            entry.used_at = asyncio.get_running_loop().time()

    async def status(self, spec: ModelSpec) -> ModelStatus:
        """The model's state; never waits for a load, nor for the restart of an engine that was lost."""
        entry = self._entries.get(spec.id)
        if entry is None:
            if is_downloaded(self.settings.data_dir, spec):
                return ModelStatus("idle", self._failures.get(spec.id, ""))
            if isinstance(spec.source, Unavailable):
                return ModelStatus("unavailable", spec.source.reason)
            return ModelStatus("not-downloaded", f"fireside pull {spec.id}")
        if not entry.loading.done():
            return ModelStatus("loading", entry.phase, entry.done / entry.total if entry.total else None)
        if error := entry.loading.exception():
            return ModelStatus("failed", _told(error))
        try:
            loaded = entry.loading.result()
            stats = await loaded.engine.stats()
            return ModelStatus(
                "ready", stats=msgspec.structs.replace(stats, waiting=stats.waiting + loaded.admission.waiting)
            )
        except (ModelNotReady, EngineError) as error:
            return ModelStatus("loading", str(error))

    def tokenizer(self, spec: ModelSpec) -> Vocabulary | None:
        """The tokenizer of a model that is loaded, else None."""
        entry = self._entries.get(spec.id)
        if entry is None or not entry.loading.done() or entry.loading.cancelled() or entry.loading.exception():
            return None
        return entry.loading.result().tokenizer

    async def unload(self, spec: ModelSpec) -> bool:
        """Close a model; returns whether it was loaded. Raises Busy while somebody uses it, or waits for its load."""
        entry = self._entries.get(spec.id)
        if entry is None:
            return False
        if entry.users:
            users = f"{entry.users} {'request uses' if entry.users == 1 else 'requests use'}"
            raise Busy(f"{spec.id} is at work: {users} it. Try again later.")
        await asyncio.shield(self._end(spec.id))
        return True

    async def close(self) -> None:
        """End all engines, for good."""
        self._closed = True
        for model in list(self._entries):
            self._end(model)
        await asyncio.gather(*self._ending)

    def _end(self, model: str) -> asyncio.Task[None]:
        """Close a model in a task of its own, which nobody's going away can stop halfway."""
        task = asyncio.create_task(_close(self._entries.pop(model)), name=f"close {model}")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    async def _make_entry(self, spec: ModelSpec) -> _Entry:
        while not self._closed and len(self._entries) >= self.settings.loaded_models:
            unused = [(entry.used_at, name) for name, entry in self._entries.items() if not entry.users]
            if not unused:
                break  # all are at work: rather one too many than a refusal
            await asyncio.shield(self._end(min(unused)[1]))
        if self._closed:
            raise _closing()
        entry = self._entries.get(spec.id)
        if entry is None:
            entry = _Entry(asyncio.create_task(self._load(spec), name=f"load {spec.id}"))
            self._entries[spec.id] = entry
        return entry

    async def _load(self, spec: ModelSpec) -> LoadedModel:
        self._failures.pop(spec.id, None)
        path: Path | None = None
        try:
            path = locate(self.settings.data_dir, spec)
            tokenizer: Vocabulary
            if path is None:
                tokenizer = ByteTokenizer()
            else:
                if spec.engine.reads_weights:
                    await asyncio.to_thread(check_facts, spec, path)
                tokenizer = await asyncio.to_thread(open_tokenizer, path)
            ends = stop_ids(spec.prompt, tokenizer)
            table = None
            if engine_of(spec).needs_tokens:
                table = TokenTable(bytes_of=answer_bytes(spec.prompt, tokenizer), stop_ids=ends)
            options = engine_options(spec, self.settings, path, table)
            await asyncio.to_thread(check_requirements, spec, options)
            engine = create(spec.engine.kind, options)
            try:
                info = await engine.start(lambda *step: self._report(spec.id, *step))
            except BaseException:
                await engine.close()
                raise
        except Exception as error:
            if path is not None:
                error.add_note(f"Its files: {path}")
            logger.error("%s cannot be loaded: %s", spec.id, for_operators(error))
            self._failures[spec.id] = _told(error)
            # The entry is not kept: once the operator has fixed it, the next request must find it well.
            asyncio.get_running_loop().call_later(FAILURE_SECONDS, self._forget_failed, spec.id)
            raise
        share = max(1, info.max_num_seqs - spare_seqs(spec.engine.max_num_seqs))
        admission = Admission(
            engine_of(spec), info, share=share, queue=self.settings.queue_size, of=f"The model {spec.id}"
        )
        known = min(tokenizer.vocab_size, info.vocab_size or tokenizer.vocab_size)
        if known < tokenizer.vocab_size:
            logger.warning(
                "%s: the tokenizer has %d tokens, and the weights have embeddings for %d. Prompts with one of the "
                "others, such as %s, are refused.",
                spec.id,
                tokenizer.vocab_size,
                known,
                token_name(tokenizer, known),
            )
        ends = [token for token in ends if token < known]
        return LoadedModel(spec, engine, tokenizer, ends, known, info.context_length, admission)

    def _report(self, model: str, phase: str, done: int, total: int) -> None:
        if entry := self._entries.get(model):
            entry.progress(phase, done, total)

    def _forget_failed(self, model: str) -> None:
        entry = self._entries.get(model)
        if entry and entry.loading.done() and entry.loading.exception():
            del self._entries[model]


def _told(error: BaseException) -> str:
    """What clients may know of a failed load."""
    return str(error) if isinstance(error, FiresideError) else "A fault in Fireside; the server's log says more."


def _closing() -> ShuttingDown:
    return ShuttingDown("The server is about to end. Send the request again, to another one or later.")


async def _close(entry: _Entry) -> None:
    entry.loading.cancel()
    loaded = (await asyncio.gather(entry.loading, return_exceptions=True))[0]
    if isinstance(loaded, LoadedModel):
        await loaded.engine.close()
