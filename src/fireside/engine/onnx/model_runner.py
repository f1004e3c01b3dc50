"""A loaded model: token ids in, logits out, for any set of slots of the KV cache."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from fireside.engine.onnx.kv_cache import KvCache
from fireside.engine.onnx.layout import KINDS
from fireside.engine.onnx.lora import LoraBank
from fireside.engine.onnx.lora import Slot as AdapterSlot
from fireside.engine.onnx.rotary import rotary_tables
from fireside.engine.sampling.processors import Logits
from fireside.weights.checkpoint import ModelConfig


def even(count: int) -> int:
    """Round `count` up to an even number.

    ONNX Runtime's kernels compute every token of an even number alike, whatever its neighbours. They compute the last
    token of an odd number in another way, which is faster and differs in the last bits.
    """
    return count + count % 2


@dataclass(frozen=True, slots=True)
class DecodeInput:
    """One row of a decode step.

    Args:
        slot: the slot whose next position is computed.
        past: the number of positions that the slot holds.
        token: the token that is appended to it.
        adapter: the adapter of the row, if any.
    """

    slot: int
    past: int
    token: int
    adapter: AdapterSlot | None = None


@dataclass(slots=True)
class _Window:
    """An IO binding for adjacent slots.

    Their part of the cache stays bound; each step binds only its small inputs, and adapters when they change.
    """

    binding: ort.IOBinding
    spans: tuple[tuple[int, int], ...] | None = None


class ModelRunner:
    """Runs the graph of `graph.build_graph`.

    Args:
        session: an inference session of that graph.
        embedding: [vocab, hidden], float16 or float32, possibly a mapped file; looked up here, outside the graph.
        bank: the adapters' memory, if the graph has inputs for them.
    """

    def __init__(
        self,
        session: ort.InferenceSession,
        config: ModelConfig,
        embedding: NDArray[np.generic],
        cache: KvCache,
        bank: LoraBank | None = None,
    ) -> None:
        self._bank = bank
        self._session = session
        self._config = config
        self._embedding = embedding
        self._cache = cache
        self._rotary = rotary_tables(config, cache.positions)
        self._windows: dict[tuple[int, int], _Window] = {}
        self._logits = np.empty((even(cache.slots), config.vocab_size), dtype=np.float32)

    def prefill(
        self, slot: int, past: int, ids: Sequence[int], adapter: AdapterSlot | None = None, *, every: bool = False
    ) -> Logits:
        """Append `ids` to a slot that holds `past` positions.

        Returns logits [1, vocab] after the last token, or [len(ids), vocab] after each; valid until the next call.

        Args:
            every: whether to return logits after every token.
        """
        self._cache.unpark([slot])
        padded = [*ids, *[0] * (even(len(ids)) - len(ids))]
        wanted = range(len(ids)) if every else [len(ids) - 1]
        return self._run(slot, 1, [0], np.array([padded]), np.array([past + len(padded) - 1]), wanted, [adapter])

    def decode(self, inputs: Sequence[DecodeInput], *, pad: bool = True) -> Logits:
        """Append one token to each of some slots; returns logits [len(inputs), vocab], valid until the next call.

        Unused slots between them cost next to nothing: the products run over the inputs only, and attention reads one
        position of each unused slot, which the cache saves until the slot is used again.

        Args:
            pad: whether to pad an odd number of rows, so that the last row does not depend on their number (see
                `even`).
        """
        rows = [*inputs, inputs[0]] if pad and len(inputs) % 2 else inputs
        used = [one.slot for one in inputs]
        first, last = min(used), max(used)
        past = np.zeros(last + 1 - first, dtype=np.int64)
        for one in inputs:
            past[one.slot - first] = one.past
        self._cache.unpark(used)
        self._cache.park({*range(first, last + 1)} - {*used})
        ids = np.array([[one.token] for one in rows])
        places = [one.slot - first for one in rows]
        logits = self._run(first, len(past), places, ids, past, [0], [one.adapter for one in rows])
        return logits[: len(inputs)]

    def _run(
        self,
        first: int,
        width: int,
        places: list[int],
        ids: NDArray[np.int64],
        past: NDArray[np.int64],
        wanted: Sequence[int],
        adapters: Sequence[AdapterSlot | None],
    ) -> Logits:
        """Run the graph over a window of `width` slots from `first`; row r of the batch is slot places[r] of it."""
        window = self._windows.get((first, width)) or self._windows.setdefault((first, width), self._bind(first, width))
        row_of = np.zeros(width, dtype=np.int64)
        row_of[places] = np.arange(len(places))
        small: dict[str, NDArray[Any]] = {
            "embeds": np.ascontiguousarray(self._embedding[ids], dtype=np.float32),
            "past": past.astype(np.int32),
            "total": np.array(past.max() + 1, dtype=np.int32),
            "last": np.array(wanted, dtype=np.int64),
            "row_of_slot": row_of,
            "slot_of_row": np.array(places, dtype=np.int64),
        }
        if self._bank is not None:
            small |= self._bind_adapters(self._bank, window, adapters)
        for name, value in small.items():
            _bind_input(window.binding, name, value)
        shape = (len(places), len(wanted), self._config.vocab_size)
        count = shape[0] * shape[1]
        logits = self._logits[:count] if count <= len(self._logits) else np.empty((count, shape[2]), dtype=np.float32)
        window.binding.bind_output("logits", "cpu", 0, np.float32, shape, logits.ctypes.data)
        self._session.run_with_iobinding(window.binding)
        return logits

    def _bind_adapters(
        self, bank: LoraBank, window: _Window, adapters: Sequence[AdapterSlot | None]
    ) -> dict[str, NDArray[np.float32]]:
        """Bind the memory of these adapters and return the masks."""
        batch = bank.batch(adapters)
        if batch.spans != window.spans:
            for name, view in bank.views(batch.spans):
                _bind_input(window.binding, name, view)
            window.spans = batch.spans
        return {f"lora_mask.{kind}": mask for kind, mask in zip(KINDS, batch.masks, strict=True)}

    def _bind(self, first: int, width: int) -> _Window:
        binding = self._session.io_binding()
        for name, table in self._rotary.items():
            _bind_input(binding, name, table)
        for name, view in self._views(first, width):
            # Past and present are the same memory: the operator writes new positions in place.
            _bind_input(binding, name, view)
            binding.bind_output(f"new_{name}", "cpu", 0, np.float32, view.shape, view.ctypes.data)
        return _Window(binding)

    def _views(self, first: int, width: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
        for side, arrays in (("k", self._cache.keys), ("v", self._cache.values)):
            for layer, array in enumerate(arrays):
                yield f"{side}.{layer}", array[first : first + width]


def _bind_input(binding: ort.IOBinding, name: str, array: NDArray[Any]) -> None:
    binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
