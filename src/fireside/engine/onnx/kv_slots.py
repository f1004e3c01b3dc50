"""The state of the KV cache's slots: which are in use, and which tokens they hold.

A finished generation leaves its slot as it is, so that the conversation's next turn does not have to prefill it again:
a new request starts from the slot of its own account that shares the longest prefix with its prompt.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fireside.engine.onnx.kv_cache import KvCache

CacheKey = tuple[str, str, str]
"""Account, cache salt and adapter id: a prefix is shared only if all three are equal."""

MIN_REUSE = 8
"""Fewer common tokens than this are not reused: prefilling them is as fast as copying."""


@dataclass(slots=True)
class KvSlot:
    """State of one slot.

    Args:
        tokens: int32 [positions]; the first `length` are the ids whose keys and values the slot holds.
        exact: the number of leading positions that equal, bit for bit, what a prefill computes.
        reserved: the number of positions that its running request may use; 0 when idle.
        touched: the number of leading positions written since the memory was last released.
        used_at: when its last request ended, as a counter; 0 if it never had one.
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
        """Note that the keys and values of these tokens were appended."""
        end = self.length + len(ids)
        if exact and self.exact == self.length:
            self.exact = end
        self.tokens[self.length : end] = ids
        self.length = end
        self.touched = max(self.touched, end)

    def common_prefix(self, ids: NDArray[np.int32], cache_key: CacheKey, *, exact: bool) -> int:
        """The number of leading tokens that the slot shares with `ids`; with `exact`, only its exact ones count."""
        if cache_key != self.cache_key:
            return 0
        count = min(self.exact if exact else self.length, len(ids))
        differ = np.flatnonzero(self.tokens[:count] != ids[:count])
        return int(differ[0]) if len(differ) else count


@dataclass(slots=True)
class KvSlots:
    """All slots of a cache.

    Args:
        capacity: the number of positions that all slots together may hold in memory.
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
        """Take a slot for a new request and reuse what is cached of its prompt; None if there is no room yet.

        At least one token of the prompt is left to compute, because the answer's first token needs its logits.

        Args:
            reserve: the number of positions that the request may use.
            exact: whether to reuse only positions that equal a prefill of the same tokens.
            fresh: whether to reuse nothing.
        """
        idle = [index for index, slot in enumerate(self.slots) if slot.idle]
        if not idle:
            return None
        ids = np.asarray(prompt_ids, dtype=np.int32)
        shared = [min(slot.common_prefix(ids, cache_key, exact=exact), len(ids) - 1) for slot in self.slots]
        source = max(range(len(self.slots)), key=lambda index: shared[index])
        reused = shared[source] if shared[source] >= MIN_REUSE and not fresh else 0
        takes_over = reused and self.slots[source].idle
        # Taking a slot over loses its tokens after the prefix; copy the prefix instead if they are the larger part.
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
        """Note that the slot's request has ended; its contents stay for reuse."""
        self._clock += 1
        self.slots[index].reserved = 0
        self.slots[index].used_at = self._clock

    def _used(self) -> int:
        """The number of positions that the slots hold or may still use."""
        return sum(max(slot.reserved, slot.touched) for slot in self.slots)

    def _make_room(self, reserve: int, target: int, keep: int) -> bool:
        """Whether `reserve` positions fit into slot `target`, after releasing other idle slots if necessary.

        The least recently used ones are released first; `keep` is not released.
        """
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
