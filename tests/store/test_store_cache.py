import time

from fireside.store.store import TimedCache


def test_entry_is_good_until_its_time() -> None:
    cache: TimedCache[str, int] = TimedCache(3600, limit=2)
    cache.put("a", 1)
    assert cache.get("a") == 1
    assert cache.get("b") is None


def test_old_entry_is_gone() -> None:
    cache: TimedCache[str, int] = TimedCache(0.001, limit=2)
    cache.put("a", 1)
    time.sleep(0.01)
    assert cache.get("a") is None


def test_oldest_goes_first() -> None:
    cache: TimedCache[str, int] = TimedCache(3600, limit=2)
    for key, value in (("a", 1), ("b", 2), ("a", 3), ("c", 4)):
        cache.put(key, value)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (3, None, 4)


def test_clear() -> None:
    cache: TimedCache[str, int] = TimedCache(3600, limit=2)
    cache.put("a", 1)
    cache.clear()
    assert cache.get("a") is None
