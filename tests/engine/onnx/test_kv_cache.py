"""The KV cache's memory: slots are copied, parked and given back without touching their neighbours."""

import sys

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from fireside.engine.onnx.kv_cache import SLACK, KvCache, bytes_per_token
from fireside.weights.checkpoint import ModelConfig

gives_back = pytest.mark.skipif(sys.platform != "linux", reason="memory is given back where MADV_DONTNEED does so")


def config(*, layers: int = 2, kv_heads: int = 2, head_dim: int = 4) -> ModelConfig:
    return ModelConfig(
        vocab_size=10, hidden_size=8, intermediate_size=8, layers=layers, heads=kv_heads, kv_heads=kv_heads,
        head_dim=head_dim, context_length=100_000, rope_theta=1e4, norm_eps=1e-5,
    )  # fmt: skip


def filled(slots: int, positions: int) -> KvCache:
    """Every number in it is another one."""
    cache = KvCache(config(), slots, positions)
    for index, array in enumerate(cache.arrays()):
        array[...] = np.arange(array.size, dtype=np.float32).reshape(array.shape) + 1 + index / 8
    return cache


def contents(cache: KvCache) -> list[NDArray[np.float32]]:
    return [array.copy() for array in cache.arrays()]


def test_shapes() -> None:
    cache = KvCache(config(layers=3, kv_heads=5, head_dim=6), 4, 7)
    assert [array.shape for array in cache.arrays()] == [(4, 5, 7 + SLACK, 6)] * 6
    assert [id(array) for array in cache.arrays()] == [id(array) for array in [*cache.keys, *cache.values]]
    assert all(array.dtype == np.float32 and not array.any() for array in cache.arrays())
    assert bytes_per_token(config(layers=3, kv_heads=5, head_dim=6)) == 2 * 3 * 5 * 6 * 4


@pytest.mark.parametrize("count", [1, 5, 9])
def test_copy(count: int) -> None:
    cache = filled(3, 7)
    before = contents(cache)
    cache.copy(2, 0, count)
    for array, old in zip(cache.arrays(), before, strict=True):
        np.testing.assert_array_equal(array[0, :, :count], old[2, :, :count])
        np.testing.assert_array_equal(array[0, :, count:], old[0, :, count:])
        np.testing.assert_array_equal(array[1:], old[1:])


def test_a_parked_slot_gets_its_first_position_back() -> None:
    cache = filled(3, 7)
    before = contents(cache)
    cache.park([0, 1])
    for array in cache.arrays():
        array[:2, :, 0] = -1
    cache.park([1])  # again: what is put aside stays
    cache.unpark([1, 2])
    for array, old in zip(cache.arrays(), before, strict=True):
        np.testing.assert_array_equal(array[1:], old[1:])
        assert (array[0, :, 0] == -1).all()
    cache.copy(0, 2, 3)
    for array, old in zip(cache.arrays(), before, strict=True):
        np.testing.assert_array_equal(array[[0, 2], :, :3], old[[0, 0], :, :3])


def test_what_replaces_a_parked_slot_is_not_overwritten_later() -> None:
    cache = filled(3, 7)
    cache.park([0, 1])
    cache.release(0)
    cache.copy(2, 1, 4)
    before = contents(cache)
    cache.unpark([0, 1])
    for array, old in zip(cache.arrays(), before, strict=True):
        np.testing.assert_array_equal(array, old)


@pytest.mark.parametrize("positions", [1, 126, 127, 1000])
@pytest.mark.parametrize("slot", [0, 1, 2])
def test_release_leaves_the_neighbours_alone(positions: int, slot: int) -> None:
    cache = filled(3, positions)
    before = contents(cache)
    cache.release(slot)
    others = [index for index in range(3) if index != slot]
    for array, old in zip(cache.arrays(), before, strict=True):
        np.testing.assert_array_equal(array[others], old[others])
    cache.copy(others[0], slot, positions)
    for array, old in zip(cache.arrays(), before, strict=True):
        np.testing.assert_array_equal(array[slot, :, :positions], old[others[0], :, :positions])


@gives_back
def test_release_gives_memory_back() -> None:
    me = psutil.Process()
    cache = KvCache(config(), 4, 1 << 18)
    empty = me.memory_info().rss
    for array in cache.arrays():
        array[1:3] = 1
    full = me.memory_info().rss
    used = 2 * cache.slot_bytes * len(cache.arrays())
    assert full - empty > 0.9 * used
    cache.release(1)
    cache.release(2)
    assert me.memory_info().rss - empty < 0.1 * used
    assert not cache.keys[0][1, :, 1000:2000].any()


@gives_back
def test_a_long_context_costs_nothing_until_it_is_used() -> None:
    me = psutil.Process()
    before = me.memory_info().rss
    cache = KvCache(config(layers=8, kv_heads=8, head_dim=128), 16, 32768)  # 34 GB
    cache.keys[0][3, 0, 0, 0] = 1
    assert me.memory_info().rss - before < 10_000_000
    assert sum(array.nbytes for array in cache.arrays()) > psutil.virtual_memory().total
