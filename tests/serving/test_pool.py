"""Which models are in memory, with real engine processes: loaded once, evicted when idle, and fixed when they fail."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import psutil
import pytest

from fireside.catalog.spec import ModelSpec
from fireside.engine.process import ProcessEngine
from fireside.engine.types import EngineStats, GenerationRequest, Sampling
from fireside.errors import BadWeights, Busy, EngineLost, ModelNotDownloaded, ShuttingDown, UnsupportedWeights
from fireside.serving import pool as pool_module
from fireside.serving.pool import LoadedModel, ModelPool
from fireside.serving.types import ModelStatus
from support.chain_model import make_chain_model
from support.children import Children
from support.tiny_tokenizers import tiny_byte_level
from support.user_models import add_model, catalog_of, settings_for

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("children")]
LIMIT = 30.0
"""Seconds after which a test that hangs fails."""


class Models:
    """A pool over the echo models "a" to "d" and whatever else a test adds."""

    def __init__(self, data_dir: Path, **values: object) -> None:
        for name in "abcd":
            add_model(data_dir, name)
        self.settings = settings_for(data_dir, **values)
        self.pool = ModelPool(self.settings)

    def spec(self, name: str) -> ModelSpec:
        return catalog_of(self.settings).get(f"@hf/me/{name}")

    async def touch(self, name: str) -> LoadedModel:
        async with self.pool.use(self.spec(name)) as model:
            return model

    async def status(self, name: str) -> ModelStatus:
        return await self.pool.status(self.spec(name))

    async def until_state(self, name: str, state: str) -> None:
        while (await self.status(name)).state != state:  # noqa: ASYNC110 - states make no events
            await asyncio.sleep(0.001)

    async def loaded(self) -> str:
        """Names of the models that are loaded."""
        return "".join([name for name in "abcd" if (await self.status(name)).state == "ready"])


@asynccontextmanager
async def models(data_dir: Path, **values: object) -> AsyncIterator[Models]:
    made = Models(data_dir, **values)
    async with asyncio.timeout(LIMIT):
        try:
            yield made
        finally:
            await made.pool.close()


def pid_of(model: LoadedModel) -> int:
    assert isinstance(model.engine, ProcessEngine)
    assert model.engine.pid is not None
    return model.engine.pid


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for knows no events
        await asyncio.sleep(0.005)


async def test_a_model_is_loaded_on_first_use_and_stays(tmp_path: Path, children: Children) -> None:
    async with models(tmp_path) as them:
        assert await them.status("a") == ModelStatus("idle")
        assert children() == []
        first = await them.touch("a")
        status = await them.status("a")
        assert status.stats is not None
        assert (status.state, msgspec.structs.replace(status.stats, memory=0)) == ("ready", EngineStats())
        assert status.stats.memory > 10_000_000 or sys.platform != "linux"
        assert await them.touch("a") is first
        assert [process.pid for process in children()] == [pid_of(first)]


async def test_first_uses_at_the_same_time_load_once(tmp_path: Path, children: Children) -> None:
    async with models(tmp_path) as them:
        made = await asyncio.gather(*(them.touch("a") for _ in range(5)))
        assert all(model is made[0] for model in made)
        assert len(children()) == 1


async def test_the_longest_unused_makes_way(tmp_path: Path, children: Children) -> None:
    async with models(tmp_path, loaded_models=2) as them:
        for name, loaded in (("a", "a"), ("b", "ab"), ("a", "ab"), ("c", "ac"), ("b", "bc")):
            await them.touch(name)
            assert await them.loaded() == loaded
            assert len(children()) == len(loaded)


async def test_a_model_in_use_is_never_evicted(tmp_path: Path) -> None:
    async with models(tmp_path, loaded_models=1) as them:
        async with them.pool.use(them.spec("a")) as model:
            await them.touch("b")
            assert await them.loaded() == "ab"
            await them.touch("c")
            assert await them.loaded() == "ac"
            request = GenerationRequest(prompt_ids=[104], max_tokens=5, stop_ids=[0])
            assert [token.id async for token in model.engine.generate(request)] == [104, 0]
        await them.touch("d")
        assert await them.loaded() == "d"


async def test_unloading_ends_the_process_unless_it_is_at_work(tmp_path: Path, children: Children) -> None:
    async with models(tmp_path) as them:
        assert not await them.pool.unload(them.spec("a"))
        async with them.pool.use(them.spec("a")):
            with pytest.raises(Busy, match=r"@hf/me/a is at work: 1 request uses it"):
                await them.pool.unload(them.spec("a"))
        assert await them.pool.unload(them.spec("a"))
        assert children() == []
        await them.touch("a")
        assert await them.loaded() == "a"


async def test_a_client_that_leaves_during_the_load_undoes_it_for_nobody(tmp_path: Path, children: Children) -> None:
    async with models(tmp_path) as them:
        impatient, patient = (asyncio.create_task(them.touch("a")) for _ in range(2))
        await until(lambda: len(children()) == 1)
        impatient.cancel()
        await asyncio.gather(impatient, return_exceptions=True)
        assert impatient.cancelled()
        assert (await patient).spec.id == "@hf/me/a"


async def test_a_load_that_nobody_waits_for_goes_on(tmp_path: Path, children: Children) -> None:
    async with models(tmp_path) as them:
        only = asyncio.create_task(them.touch("a"))
        await until(lambda: len(children()) == 1)
        only.cancel()
        assert (await them.status("a")).state == "loading"
        await them.until_state("a", "ready")


async def test_a_client_that_leaves_during_an_eviction_leaves_no_process(tmp_path: Path) -> None:
    async with models(tmp_path, loaded_models=1) as them:
        old = psutil.Process(pid_of(await them.touch("a")))
        for turns in range(3):
            task = asyncio.create_task(them.touch("b"))
            for _ in range(turns + 1):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await until(lambda: not old.is_running())
        assert (await them.touch("b")).spec.id == "@hf/me/b"
        assert await them.loaded() == "b"


def weights(folder: Path) -> None:
    make_chain_model(folder, tiny_byte_level(), {97: 98})


async def test_a_failed_load_is_tried_again_once_it_is_fixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "FAILURE_SECONDS", 0.05)
    folder = tmp_path / "weights"
    add_model(tmp_path, "onnx", folder=folder, context_length=128)
    async with models(tmp_path) as them:
        assert await them.status("onnx") == ModelStatus("not-downloaded", "fireside pull @hf/me/onnx")
        with pytest.raises(ModelNotDownloaded, match=r"nothing at the source\.path"):
            await them.touch("onnx")
        assert (await them.status("onnx")).state == "failed"
        assert "source.path" in (await them.status("onnx")).detail
        with pytest.raises(ModelNotDownloaded):
            await them.touch("onnx")
        weights(folder)
        await them.until_state("onnx", "idle")
        assert (await them.touch("onnx")).stop_ids == []
        assert (await them.status("onnx")).state == "ready"


def deep_config(folder: Path) -> None:
    (folder / "config.json").write_text("[" * 100_000)


def other_facts(folder: Path) -> None:
    weights(folder)


def no_tokenizer(folder: Path) -> None:
    weights(folder)
    (folder / "tokenizer.json").unlink()


def damaged_weights(folder: Path) -> None:
    weights(folder)
    os.truncate(folder / "model.safetensors", 2000)


@pytest.mark.parametrize("break_it", [deep_config, other_facts, no_tokenizer, damaged_weights])
async def test_whatever_fails_is_not_kept(
    tmp_path: Path, break_it: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "FAILURE_SECONDS", 0.0)
    folder = tmp_path / "weights"
    folder.mkdir()
    break_it(folder)
    facts = "[architecture]\nvocab_size = 5" if break_it is other_facts else ""
    add_model(tmp_path, "onnx", folder=folder, context_length=128, architecture=facts)
    async with models(tmp_path) as them:
        with pytest.raises((BadWeights, RecursionError)) as caught:
            await them.touch("onnx")
        assert str(caught.value)
        await them.until_state("onnx", "idle")


async def test_a_stop_token_that_the_tokenizer_does_not_have(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    weights(folder)
    add_model(tmp_path, "onnx", folder=folder, stop=["<|im_end|>"])
    async with models(tmp_path) as them:
        with pytest.raises(UnsupportedWeights, match=r"<\|im_end\|>.*prompt\.stop"):
            await them.touch("onnx")


async def test_status_shows_how_far_a_load_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "weights"
    weights(folder)
    add_model(tmp_path, "onnx", folder=folder, stop=["<|end|>"])
    seen: list[ModelStatus] = []
    report = ModelPool._report

    def report_and_look(pool: ModelPool, model: str, phase: str, done: int, total: int) -> None:
        report(pool, model, phase, done, total)
        # At once: the phases of a model this small may all have passed before another task has its turn.
        with pytest.raises(StopIteration) as ended:
            pool.status(spec).send(None)
        seen.append(ended.value.value)

    monkeypatch.setattr(ModelPool, "_report", report_and_look)
    async with models(tmp_path) as them:
        spec = them.spec("onnx")
        task = asyncio.create_task(them.touch("onnx"))
        await asyncio.sleep(0)
        first = await them.status("onnx")
        assert first == ModelStatus("loading", "starting")
        assert (await task).stop_ids == [257]
        assert [status.state for status in seen] == ["loading"] * len(seen)
        assert len({status.detail for status in seen}) > 1
        assert all(status.progress is None or 0 <= status.progress <= 1 for status in seen)
        assert any(status.progress == 1 for status in seen)
        assert (tmp_path / "cache").is_dir()


async def test_a_lost_engine_is_loading_until_it_is_back(tmp_path: Path) -> None:
    async with models(tmp_path) as them:
        model = await them.touch("a")
        os.kill(pid_of(model), signal.SIGKILL)
        await them.until_state("a", "loading")
        await them.until_state("a", "ready")
        assert await them.touch("a") is model


async def test_close_during_a_load(tmp_path: Path, children: Children) -> None:
    async with models(tmp_path) as them:
        waiting = [asyncio.create_task(them.touch("a")) for _ in range(2)]
        await until(lambda: len(children()) == 1)
        await them.pool.close()
        for task in waiting:
            with pytest.raises(ShuttingDown):
                await task
        with pytest.raises(ShuttingDown):
            await them.touch("b")
        assert children() == []


async def test_close_while_answers_run(tmp_path: Path) -> None:
    async with models(tmp_path, echo_tokens_per_second=20) as them:
        begun = asyncio.Event()

        async def answer() -> None:
            async with them.pool.use(them.spec("a")) as model:
                request = GenerationRequest(prompt_ids=[97] * 99, max_tokens=99, sampling=Sampling(temperature=0))
                async for _ in model.engine.generate(request):
                    begun.set()

        task = asyncio.create_task(answer())
        await begun.wait()
        await them.pool.close()
        with pytest.raises(EngineLost):
            await task
