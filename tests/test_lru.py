"""A memory bounded by bytes."""

import sys

from fireside.lru import Lru


def test_what_was_not_used_for_longest_is_forgotten_first() -> None:
    memory: Lru[str] = Lru(3000)
    for name in (b"a", b"b", b"c"):
        memory.put(name, "x", 700)
    assert memory.get(b"a") == "x"
    memory.put(b"d", "y", 700)
    assert [memory.get(name) for name in (b"a", b"b", b"c", b"d")] == ["x", None, "x", "y"]


def test_all_that_is_kept_has_a_bound_in_bytes() -> None:
    memory: Lru[bytes] = Lru(100_000)
    for number in range(2000):
        memory.put(b"%d" % number, bytes(number), number)
    kept = [value for number in range(2000) if (value := memory.get(b"%d" % number)) is not None]
    assert 0 < sum(map(sys.getsizeof, kept)) <= 100_000
    memory.put(b"large", bytes(200_000), 200_000)
    assert memory.get(b"large") is None


def test_a_value_put_again_counts_once() -> None:
    memory: Lru[int] = Lru(1000)
    for number in range(100):
        memory.put(b"a", number, 300)
    memory.put(b"b", 1, 200)
    assert (memory.get(b"a"), memory.get(b"b")) == (99, 1)
