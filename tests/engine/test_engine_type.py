"""What an engine says of itself: its options in catalog files, and where it runs."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from fireside.engine.echo import ENGINE as ECHO
from fireside.engine.echo import EchoOptions
from fireside.engine.engine_type import EngineType
from fireside.engine.onnx import ENGINE as ONNX
from fireside.engine.onnx.options import OnnxOptions
from fireside.engine.process import ProcessEngine
from fireside.engine.registry import create, engine_type, kinds
from fireside.engine.types import GenerationRequest
from fireside.errors import EngineFailed
from fireside.settings import Settings
from support.venvs import make_venv


@pytest.mark.parametrize("kind", kinds())
def test_each_engine_is_found_by_its_name(kind: str) -> None:
    engine = engine_type(kind)
    assert engine.kind == kind
    needed = {option.name: "x" for option in msgspec.structs.fields(engine.options) if option.required}
    own = {**engine.from_settings(Settings(), lora=True), **needed}
    assert list(engine.problems(own)) == []
    options = engine.configure(own, max_num_seqs=3)
    assert type(options) is engine.options
    assert options.max_num_seqs == 3
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(options), type=engine.options) == options
    assert isinstance(create(kind, options), ProcessEngine)


@pytest.mark.parametrize("kind", kinds())
def test_what_an_engine_lacks_is_a_field_of_a_request(kind: str) -> None:
    fields = {
        *GenerationRequest.__struct_fields__,
        *type(GenerationRequest(prompt_ids=[], max_tokens=1).sampling).__struct_fields__,
    }
    assert set(engine_type(kind).lacks) <= fields


def test_there_is_no_engine_of_another_name() -> None:
    with pytest.raises(KeyError):
        engine_type("tensorrt")


@pytest.mark.parametrize(
    ("own", "says"),
    [
        ({}, []),
        ({"weights": "int4", "threads": 2, "exact": True}, []),
        ({"weights": "int2"}, ["engine.weights: must be one of 'auto', 'int8', 'int4', 'f32', got 'int2'"]),
        ({"weights": 8}, ["engine.weights: must be one of 'auto', 'int8', 'int4', 'f32', got 8"]),
        ({"threads": "two"}, ["engine.threads: Expected `int`, got `str`, got 'two'"]),
        ({"threads": -1}, ["engine.threads: Expected `int` >= 0, got -1"]),
        ({"kv_memory": True}, ["engine.kv_memory: Expected `int`, got `bool`, got True"]),
        (
            {"wieghts": "f32"},
            ["engine.wieghts: unknown key; the onnx engine has no such option (did you mean weights?)"],
        ),
        (
            {"gpu": 1, "threads": None},
            [
                "engine.gpu: unknown key; the onnx engine has no such option "
                "(it has: threads, kv_memory, weights, exact, adapter_memory)",
                "engine.threads: Expected `int`, got `null`, got None",
            ],
        ),
    ],
)
def test_options_in_a_catalog_file(own: Mapping[str, Any], says: list[str]) -> None:
    assert list(ONNX.problems(own)) == says


@pytest.mark.parametrize("kind", kinds())
def test_every_option_is_documented(kind: str) -> None:
    [row] = [line for line in Path("docs/models.md").read_text().splitlines() if line.startswith(f'| `"{kind}"` |')]
    assert [name for name in engine_type(kind).own_options if f"`{name}`" not in row] == []


class Demanding(EchoOptions, frozen=True, kw_only=True):
    python: str


def test_an_option_that_an_engine_needs() -> None:
    engine = EngineType(kind="demanding", options=Demanding, make_runner=ECHO.make_runner)
    assert list(engine.problems({})) == ["engine.python: missing; the demanding engine needs it"]
    assert list(engine.problems({"python": "/opt/python"})) == []


@pytest.mark.parametrize("name", ["model_path", "cache_dir", "tokens", "context_length"])
def test_what_every_engine_is_told_is_no_option_of_a_catalog_file(name: str) -> None:
    [problem] = ONNX.problems({name: ""})
    assert problem.startswith(f"engine.{name}: unknown key")


def test_settings_and_then_the_catalog_file() -> None:
    settings = Settings(threads=3, kv_memory_mb=2, adapter_memory_mb=1, echo_tokens_per_second=7.5)
    own = {**ONNX.from_settings(settings, lora=False), "threads": 1}
    assert ONNX.configure(own, model_path="m") == OnnxOptions(model_path="m", threads=1, kv_memory=2 << 20)
    assert ONNX.from_settings(settings, lora=True)["adapter_memory"] == 1 << 20
    assert ECHO.configure(ECHO.from_settings(settings, lora=True)) == EchoOptions(tokens_per_second=7.5)


@pytest.mark.anyio
@pytest.mark.usefixtures("children")
async def test_an_engine_in_another_python_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has msgspec, and of this environment it gets Fireside alone, and the variables that it may see."""
    python = make_venv(tmp_path / "other", "msgspec")
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_PATH", "HOME_OF_GPUS", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    kind = replace(ECHO, python=lambda options: str(python), variables=("CUDA_", "HOME_OF"))
    engine = ProcessEngine(kind, EchoOptions(max_num_seqs=1))
    try:
        await engine.start()
        process = psutil.Process(engine.pid)
        assert process.cmdline()[0] == str(python)
        seen = process.environ()
        assert {"CUDA_VISIBLE_DEVICES", "CUDA_PATH"} <= set(seen)
        assert not {"HOME_OF_GPUS", "AWS_SECRET_ACCESS_KEY"} & set(seen)
        assert not any("numpy" in mapped.path for mapped in process.memory_maps())
        made = [token.id async for token in engine.generate(GenerationRequest(prompt_ids=[104, 105], max_tokens=2))]
        assert made == [104, 105]
    finally:
        await engine.close()


@pytest.mark.anyio
@pytest.mark.usefixtures("children")
@pytest.mark.parametrize("python", ["/nowhere/python", None])
async def test_an_environment_that_is_not_there(tmp_path: Path, python: str | None, capfd: Any) -> None:
    """Or has not even msgspec."""
    place = python or str(make_venv(tmp_path / "bare"))
    engine = ProcessEngine(replace(ECHO, python=lambda options: place), EchoOptions())
    with pytest.raises(
        EngineFailed, match="cannot be started" if python else "ended with exit status 1 while it loaded"
    ):
        await engine.start()
    await engine.close()
    assert python or "No module named 'msgspec'" in capfd.readouterr().err
