"""A loaded model: token ids in, logits out, for any set of neighbouring rows of the KV cache."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from fireside.engine.onnx.kv_cache import KvCache
from fireside.engine.onnx.layout import KINDS
from fireside.engine.onnx.lora import LoraBank, Slot
from fireside.engine.onnx.rotary import rotary_tables
from fireside.weights.checkpoint import ModelConfig

Logits = NDArray[np.float32]


def even(count: int) -> int:
    """`count`, or one more. ONNX Runtime's kernels treat every token of an even number alike, whatever its neighbours;
    of an odd number they treat the last one otherwise, which costs less, and differs in the last bits."""
    return count + count % 2


@dataclass(slots=True)
class _Bound:
    """An IO binding whose cache rows are bound for good; only the step's small inputs change, and adapters seldom."""

    binding: ort.IOBinding
    logits: Logits
    spans: tuple[tuple[int, int], ...] | None = None


class Decoder:
    """Runs the graph of `graph.build_graph`.

    Args:
        session: made from that graph.
        embedding: [vocab, hidden], float16 or float32, may be a mapped file; looked up here, outside the graph.
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
        self._bound: dict[tuple[int, int], _Bound] = {}

    def prefill(self, row: int, past: int, ids: list[int], adapter: Slot | None = None) -> Logits:
        """Append `ids` to a row that holds `past` positions; logits [vocab] after the last of them."""
        logits: Logits = self._prefill(row, past, ids, [len(ids) - 1], adapter)[0]
        return logits

    def prefill_all(self, row: int, past: int, ids: list[int], adapter: Slot | None = None) -> Logits:
        """The same, with logits [tokens, vocab] after each of them."""
        bound = self._bind(row, 1, len(ids))
        return self._prefill(row, past, ids, list(range(len(ids))), adapter, bound)

    def _prefill(
        self,
        row: int,
        past: int,
        ids: list[int],
        wanted: list[int],
        adapter: Slot | None,
        bound: _Bound | None = None,
    ) -> Logits:
        padded = ids + [0] * (even(len(ids)) - len(ids))
        total = past + len(padded)
        return self._run(row, 1, np.array([padded]), np.array([total - 1]), total, wanted, [adapter], bound)

    def decode(self, ids: list[int], past: list[int], adapters: Sequence[Slot | None] | None = None) -> Logits:
        """Append one token to each of the rows 0 to B - 1; logits [B, vocab].

        A row to be left alone gets any id, and `past` as it is: the position after its last one is scratch. Logits do
        not depend on the other rows, but for the last one of an odd B (see `even`).

        Args:
            adapters: of each row; None is the same as none for all.
        """
        return self._run(0, len(ids), np.array(ids)[:, None], np.array(past), max(past) + 1, [0], adapters)

    def _run(
        self,
        row: int,
        rows: int,
        ids: NDArray[np.int64],
        past: NDArray[np.int64],
        total: int,
        last: list[int],
        adapters: Sequence[Slot | None] | None,
        bound: _Bound | None = None,
    ) -> Logits:
        if bound is None:
            bound = self._bound.get((row, rows)) or self._bound.setdefault((row, rows), self._bind(row, rows))
        embeds: NDArray[np.float32] = np.ascontiguousarray(self._embedding[ids], dtype=np.float32)
        small: dict[str, NDArray[Any]] = {
            "embeds": embeds,
            "past": past.astype(np.int32),
            "total": np.array(total, dtype=np.int32),
            "last": np.array(last, dtype=np.int64),
        }
        if self._bank is not None:
            small |= self._bind_adapters(self._bank, bound, adapters or [None] * rows)
        for name, value in small.items():
            _bind_input(bound.binding, name, value)
        self._session.run_with_iobinding(bound.binding)
        return bound.logits

    def _bind_adapters(
        self, bank: LoraBank, bound: _Bound, adapters: Sequence[Slot | None]
    ) -> dict[str, NDArray[np.float32]]:
        """Bind the memory of these adapters; returns the masks."""
        batch = bank.batch(adapters)
        if batch.spans != bound.spans:
            for name, view in bank.views(batch.spans):
                _bind_input(bound.binding, name, view)
            bound.spans = batch.spans
        return {f"lora_mask.{kind}": mask for kind, mask in zip(KINDS, batch.masks, strict=True)}

    def _bind(self, row: int, rows: int, wanted: int = 1) -> _Bound:
        """Bind the rows, and memory for the logits of `wanted` tokens of each."""
        binding = self._session.io_binding()
        logits = np.empty((rows * wanted, self._config.vocab_size), dtype=np.float32)
        binding.bind_output("logits", "cpu", 0, np.float32, (rows, wanted, logits.shape[1]), logits.ctypes.data)
        for name, table in self._rotary.items():
            _bind_input(binding, name, table)
        for side, arrays in (("k", self._cache.keys), ("v", self._cache.values)):
            for layer, array in enumerate(arrays):
                view = array[row : row + rows]
                # Past and present are the same memory: the operator writes new positions in place.
                _bind_input(binding, f"{side}.{layer}", view)
                binding.bind_output(f"new_{side}.{layer}", "cpu", 0, np.float32, view.shape, view.ctypes.data)
        return _Bound(binding, logits)


def _bind_input(binding: ort.IOBinding, name: str, array: NDArray[Any]) -> None:
    binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
