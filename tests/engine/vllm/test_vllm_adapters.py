"""Which adapters vLLM has in memory: `AdapterSlots`, told what vLLM would be told."""

import time
from pathlib import Path

import pytest

from fireside.engine.types import Adapter
from fireside.engine.vllm.adapters import AdapterSlots
from fireside.errors import EngineFailed
from support.adapters import make_adapter


class Loaded:
    """The numbers that are in memory, as `add_lora` and `remove_lora` leave them."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.most = 0

    def add(self, name: str, number: int, folder: str) -> None:
        if not (Path(folder) / "adapter_config.json").is_file():
            raise FileNotFoundError(folder)
        self.names[number] = name
        self.most = max(self.most, len(self.names))

    def remove(self, number: int) -> None:
        self.names.pop(number, None)


@pytest.fixture
def loaded() -> Loaded:
    return Loaded()


@pytest.fixture
def slots(loaded: Loaded) -> AdapterSlots:
    return AdapterSlots(loaded.add, loaded.remove, slots=2, cached=3)


@pytest.fixture
def adapters(tmp_path: Path) -> list[Adapter]:
    return [Adapter(name, str(make_adapter(tmp_path / name))) for name in "abcdef"]


def acquire(slots: AdapterSlots, adapter: Adapter) -> int:
    """Its number, once its files have been read."""
    slots.read_ahead(adapter)
    while (number := slots.acquire(adapter)) is None:
        time.sleep(0.001)
    return number


def test_no_more_are_in_use_than_there_are_slots(slots: AdapterSlots, adapters: list[Adapter]) -> None:
    a, b, c, *_ = adapters
    first = acquire(slots, a)
    assert acquire(slots, a) == first
    acquire(slots, b)
    assert slots.acquire(c) is None
    slots.release(a)
    assert slots.acquire(c) is None  # its other request still runs
    slots.release(a)
    assert acquire(slots, c) not in (first, None)
    assert slots.acquire(a) is None


def test_the_least_recently_used_makes_room_and_none_in_use(
    slots: AdapterSlots, adapters: list[Adapter], loaded: Loaded
) -> None:
    a, b, c, d, e, _ = adapters
    acquire(slots, a)
    for one in (b, c, d, e, b):
        acquire(slots, one)
        slots.release(one)
    assert sorted(loaded.names.values()) == ["a", "b", "e"]
    assert loaded.most == 3


def test_one_that_cannot_be_loaded_takes_no_place(
    slots: AdapterSlots, adapters: list[Adapter], loaded: Loaded, tmp_path: Path
) -> None:
    missing = Adapter("missing", str(tmp_path))
    for _ in range(4):
        with pytest.raises(EngineFailed, match="cannot be loaded by vLLM") as caught:
            acquire(slots, missing)
        assert str(tmp_path) not in str(caught.value)
    assert not slots.in_use(missing)
    acquire(slots, adapters[0])
    acquire(slots, adapters[1])
    assert sorted(loaded.names.values()) == ["a", "b"]


def test_a_number_is_never_given_twice(slots: AdapterSlots, adapters: list[Adapter]) -> None:
    """vLLM takes equal numbers for equal weights, whatever the folder."""
    numbers = []
    for one in [*adapters, *adapters]:
        numbers.append(acquire(slots, one))
        slots.release(one)
    by_name: dict[str, set[int]] = {}
    for one, number in zip([*adapters, *adapters], numbers, strict=True):
        by_name.setdefault(one.id, set()).add(number)
    assert sum(map(len, by_name.values())) == len(set(numbers))
