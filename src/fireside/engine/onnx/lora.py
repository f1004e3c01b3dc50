"""LoRA adapters in memory, laid out so that one step can mix them.

The graph adds `(x Aᵀ * mask) B` to the output of each (fused) linear. A and B contain the rows of all adapters in the
batch, one after the other; `mask` selects, for each row of the batch, the rows of its own adapter. So a step reads each
adapter once, however many rows use it, and a batch without adapters binds zero rows.

A fused linear has one LoRA, whose rank is the sum of its parts' ranks; B is zero outside a part's own outputs. B
includes the scale. (LoRA: Hu et al. 2021; batches with many adapters: Punica, Chen et al. 2023.)
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fireside.engine.onnx.layout import KINDS, LinearSpec
from fireside.engine.onnx.reserved import reserve
from fireside.weights.adapter import AdapterFiles, AdapterModule

Values = NDArray[np.float32]


@dataclass(eq=False, slots=True)
class Slot:
    """An adapter's rows in each kind of linear, as half-open ranges; empty for kinds that it does not change."""

    rows: dict[str, tuple[int, int]]
    nbytes: int


@dataclass(frozen=True, slots=True)
class Batch:
    """The graph's inputs for one step.

    Args:
        spans: for each kind, the range of rows that is bound.
        masks: for each kind, float32 [B, 1, rows of the span].
    """

    spans: tuple[tuple[int, int], ...]
    masks: tuple[Values, ...]


@dataclass(slots=True)
class _Kind:
    """One kind of linear in all layers: A [capacity, K] and B [capacity, N] for each layer."""

    linears: list[LinearSpec]
    a: list[Values]
    b: list[Values]
    taken: list[tuple[int, int]] = field(default_factory=list)
    written: int = 0

    @property
    def row_bytes(self) -> int:
        return 4 * sum(linear.in_features + linear.total_out_features for linear in self.linears)

    def find(self, count: int) -> int | None:
        """Start of the lowest free range of `count` rows."""
        start = 0
        for taken_start, taken_stop in sorted(self.taken):
            if taken_start - start >= count:
                break
            start = max(start, taken_stop)
        return start if start + count <= len(self.a[0]) else None


class LoraBank:
    """Memory for adapters.

    Args:
        layers: the linears of each layer, in the order of KINDS.
        memory: the maximum number of bytes of all adapters together.
    """

    def __init__(self, layers: Sequence[Sequence[LinearSpec]], memory: int) -> None:
        self._memory = self._free = memory
        self._kinds: dict[str, _Kind] = {}
        for position, kind in enumerate(KINDS):
            linears = [layer[position] for layer in layers]
            capacity = memory // (4 * sum(linear.in_features + linear.total_out_features for linear in linears))
            a = [reserve((capacity, linear.in_features))[1] for linear in linears]
            b = [reserve((capacity, linear.total_out_features))[1] for linear in linears]
            self._kinds[kind] = _Kind(linears, a, b)

    def allocate(self, files: AdapterFiles) -> Slot | None:
        """Allocate rows for an adapter; None if others must be freed first. Raises ValueError if it can never fit."""
        ranks = self._ranks(files)
        nbytes = sum(self._kinds[kind].row_bytes * rank for kind, rank in ranks.items())
        if nbytes > self._memory:
            raise ValueError(
                f"it needs {nbytes / 2**20:.1f} MiB, but all adapters together may take {self._memory / 2**20:.1f} MiB"
            )
        starts = {kind: self._kinds[kind].find(rank) if rank else 0 for kind, rank in ranks.items()}
        if nbytes > self._free or None in starts.values():
            return None
        rows = {kind: (start, start + ranks[kind]) for kind, start in starts.items() if start is not None}
        for kind, span in rows.items():
            if span[0] < span[1]:
                self._kinds[kind].taken.append(span)
        self._free -= nbytes
        return Slot(rows, nbytes)

    def free(self, slot: Slot) -> None:
        """Free the rows of a slot."""
        for kind, span in slot.rows.items():
            if span[0] < span[1]:
                self._kinds[kind].taken.remove(span)
        self._free += slot.nbytes

    def fill(self, slot: Slot, files: AdapterFiles) -> None:
        """Write an adapter into its rows. May run in another thread, as long as no step uses the slot.

        Raises BadAdapter.
        """
        modules = {(module.layer, module.module): module for module in files.modules}
        for name, kind in self._kinds.items():
            start, stop = slot.rows[name]
            if start == stop:
                continue
            used_before = start < kind.written
            kind.written = max(kind.written, stop)
            for layer, linear in enumerate(kind.linears):
                a, b = kind.a[layer][start:stop], kind.b[layer][start:stop]
                if used_before:
                    a.fill(0)
                    b.fill(0)
                _fill_linear(a, b, linear, layer, modules, files)

    def batch(self, slots: Sequence[Slot | None]) -> Batch:
        """The inputs for a step whose rows use these adapters."""
        spans, masks = [], []
        for kind in KINDS:
            ranges = [slot.rows[kind] if slot else (0, 0) for slot in slots]
            used = [span for span in ranges if span[0] < span[1]]
            first = min((start for start, _ in used), default=0)
            last = max((stop for _, stop in used), default=0)
            mask = np.zeros((len(slots), 1, last - first), np.float32)
            for row, (start, stop) in enumerate(ranges):
                if start < stop:
                    mask[row, 0, start - first : stop - first] = 1
            spans.append((first, last))
            masks.append(mask)
        return Batch(tuple(spans), tuple(masks))

    def views(self, spans: Iterable[tuple[int, int]]) -> Iterable[tuple[str, Values]]:
        """The graph's inputs for adapters, by name, for the spans of a batch."""
        for (start, stop), kind in zip(spans, self._kinds.values(), strict=True):
            for linear, a, b in zip(kind.linears, kind.a, kind.b, strict=True):
                yield f"{linear.name}.lora_a", a[start:stop]
                yield f"{linear.name}.lora_b", b[start:stop]

    def _ranks(self, files: AdapterFiles) -> dict[str, int]:
        """The number of rows needed in each kind: the largest sum of ranks in any layer."""
        ranks = dict.fromkeys(KINDS, 0)
        by_place = {(module.layer, module.module): module.rank for module in files.modules}
        for name, kind in self._kinds.items():
            for layer, linear in enumerate(kind.linears):
                total = sum(by_place.get((layer, _module(source)), 0) for source in linear.sources)
                ranks[name] = max(ranks[name], total)
        return ranks


def _module(source: str) -> str:
    """The module in a source's name: "q_proj" in "layers.0.self_attn.q_proj"."""
    return source.rpartition(".")[2]


def _fill_linear(
    a: Values,
    b: Values,
    linear: LinearSpec,
    layer: int,
    modules: dict[tuple[int, str], AdapterModule],
    files: AdapterFiles,
) -> None:
    row = column = 0
    for source, width in zip(linear.sources, linear.out_features, strict=True):
        module = modules.get((layer, _module(source)))
        if module is not None:
            part = slice(row, row + module.rank)
            a[part] = files.tensor(module.a_key)
            np.multiply(files.tensor(module.b_key).T, np.float32(module.scale), out=b[part, column : column + width])
            row += module.rank
        column += width
