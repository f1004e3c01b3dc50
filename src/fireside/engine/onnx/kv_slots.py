"""Who holds which slot of the KV cache, and what its positions mean.

A finished generation leaves its slot as it is, so that the conversation's next turn need not prefill it again: a new
request starts from the slot of its own account that shares the longest prefix with its prompt.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fireside.engine.onnx.kv_cache import KvCache

CacheKey = tuple[str, str, str]
"""Account, cache salt and adapter: prefixes are shared only where all three are equal."""

MIN_REUSE = 8
"""Below this many common tokens, prefilling is as quick as looking after a copy."""


@dataclass(slots=True)
class KvSlot:
    """State of one slot.

    Args:
        tokens: int32 [positions]; the first `length` are the ids whose keys and values the slot holds.
        exact: how many leading positions are bit for bit what a prefill computes.
        reserved: positions that its running request may come to use; 0 when idle.
        touched: highest position written since the memory was last given back.
    """

    tokens: NDArray[np.int32]
    length: int = 0
    exact: int = 0
    cache_key: CacheKey = ("", "", "")
    reserved: int = 0
    touched: int = 0
    used_at: int = 0

    @property
    def idle(self) -> bool:
        return self.reserved == 0

    def append(self, ids: list[int], *, exact: bool = True) -> None:
        """Note that the keys and values of these tokens follow."""
        end = self.length + len(ids)
        if exact and self.exact == self.length:
            self.exact = end
        self.tokens[self.length : end] = ids
        self.length = end
        self.touched = max(self.touched, end)

    def common_prefix(self, ids: NDArray[np.int32], cache_key: CacheKey, *, exact: bool) -> int:
        """How many leading tokens the slot shares with `ids`; of its `exact` ones, if they are to be."""
        if cache_key != self.cache_key:
            return 0
        count = min(self.exact if exact else self.length, len(ids))
        differ = np.flatnonzero(self.tokens[:count] != ids[:count])
        return int(differ[0]) if len(differ) else count


@dataclass(slots=True)
class KvSlots:
    """All slots of a cache.

    Args:
        capacity: positions that all slots together may hold in memory.
    """

    cache: KvCache
    capacity: int
    slots: list[KvSlot] = field(init=False)
    _clock: int = 0

    def __post_init__(self) -> None:
        self.slots = [KvSlot(np.zeros(self.cache.positions, dtype=np.int32)) for _ in range(self.cache.slots)]

    def __getitem__(self, index: int) -> KvSlot:
        return self.slots[index]

    def place(
        self, prompt_ids: list[int], reserve: int, cache_key: CacheKey, *, exact: bool = True, fresh: bool = False
    ) -> int | None:
        """A slot for a new request, holding as much of its prompt as could be reused; None when there is no room yet.

        At least one token of the prompt is left to compute, since its logits choose the answer's first token.

        Args:
            reserve: positions that the request may come to use.
            exact: reuse nothing that could differ from a prefill of the same tokens.
            fresh: reuse nothing at all.
        """
        idle = [index for index, slot in enumerate(self.slots) if slot.idle]
        if not idle:
            return None
        ids = np.asarray(prompt_ids, dtype=np.int32)
        shared = [min(slot.common_prefix(ids, cache_key, exact=exact), len(ids) - 1) for slot in self.slots]
        source = max(range(len(self.slots)), key=lambda index: shared[index])
        reused = shared[source] if shared[source] >= MIN_REUSE and not fresh else 0
        takes_over = reused and self.slots[source].idle
        # A slot that is taken over loses what it held past the prefix; copy instead when that is the larger part.
        if takes_over and self.slots[source].length <= 2 * reused:
            target = source
        else:
            target = min(idle, key=lambda index: (self.slots[index].length > 0, self.slots[index].used_at, index))
        if not self._make_room(reserve, target, keep=source if reused else target):
            if not takes_over or not self._make_room(reserve, source, keep=source):
                return None
            target = source  # there is no room for both
        if reused and target != source:
            self.cache.copy(source, target, reused)
        slot = self.slots[target]
        slot.exact = min(self.slots[source].exact, reused)
        slot.tokens[:reused] = ids[:reused]
        slot.length, slot.cache_key, slot.reserved = reused, cache_key, reserve
        slot.touched = max(slot.touched, reused)
        return target

    def finish(self, index: int) -> None:
        """The slot's request is over; what it holds stays for reuse."""
        self._clock += 1
        self.slots[index].reserved = 0
        self.slots[index].used_at = self._clock

    def _used(self) -> int:
        """Positions that slots hold or may come to hold."""
        return sum(max(slot.reserved, slot.touched) for slot in self.slots)

    def _make_room(self, reserve: int, target: int, keep: int) -> bool:
        """Whether `reserve` positions fit into slot `target`, after giving back other idle slots, the least recently
        used first, except for `keep`."""
        free = self.capacity - self._used() + self.slots[target].touched
        held = [
            index for index, slot in enumerate(self.slots) if slot.idle and slot.touched and index not in (target, keep)
        ]
        for index in sorted(held, key=lambda index: (self.slots[index].length > 0, self.slots[index].used_at)):
            if free >= reserve:
                break
            free += self.slots[index].touched
            self._release(index)
        return free >= reserve

    def _release(self, index: int) -> None:
        self.cache.release(index)
        self.slots[index].length = self.slots[index].exact = self.slots[index].touched = 0
