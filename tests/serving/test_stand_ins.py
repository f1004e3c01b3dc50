"""Who answers for whom: the rules, and that an id keeps what is its own whoever answers for it."""

import logging
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from fireside.catalog.loader import Catalog
from fireside.catalog.spec import EngineSpec, ModelSpec, NoSource, PromptSpec, Unavailable
from fireside.errors import ConfigError, ContextOverflow, ModelNotDownloaded, ModelRetired
from fireside.serving.stand_ins import StandIns
from fireside.serving.types import TextRequest
from support.user_models import add_model, opened

GONE = Unavailable(kind="unavailable", reason="Nobody has them.")


def spec(name: str, family: str | None = None, *, stands_in_for: Collection[str] = (), context: int = 100) -> ModelSpec:
    return ModelSpec(
        id=f"@hf/a/{name}",
        aliases=(f"@cf/b/{name}-lora",),
        context_length=context,
        family=family,
        stands_in_for=tuple(stands_in_for),
        source=NoSource(kind="none") if stands_in_for else GONE,
        prompt=PromptSpec(style="plain"),
        engine=EngineSpec(kind="echo"),
    )


MODELS = [
    spec("big-qwen", "qwen", context=50),
    spec("guard-qwen", "qwen"),
    spec("falcon", "falcon"),
    spec("odd"),
    spec("small-qwen", "qwen", stands_in_for=["qwen"], context=70),
    spec("other-qwen", "qwen", stands_in_for=["qwen", "kimi"], context=200),
    spec("any", stands_in_for=["*"], context=200),
]


def stand_ins(setting: str | None, here: Collection[str] = ("any",)) -> Callable[[str], str]:
    catalog = Catalog({model.id: model for model in MODELS})
    rules = StandIns(setting, catalog, lambda model: model.id.removeprefix("@hf/a/") in here)
    return lambda name: rules.answering(catalog.get(f"@hf/a/{name}")).id.removeprefix("@hf/a/")


def test_without_a_rule_nobody_stands_in() -> None:
    assert stand_ins(None)("big-qwen") == "big-qwen"
    assert stand_ins("")("big-qwen") == "big-qwen"


def test_one_model_for_all_that_are_not_here() -> None:
    answering = stand_ins("@hf/a/any", here=["any", "odd"])
    assert [answering(name) for name in ("big-qwen", "falcon", "odd", "any")] == ["any", "any", "odd", "any"]


@pytest.mark.parametrize(
    ("here", "qwen", "falcon"),
    [
        (["any", "small-qwen"], "small-qwen", "any"),
        (["any"], "any", "any"),  # here before made for the family
        ([], "other-qwen", "any"),
        (["small-qwen", "other-qwen", "any"], "other-qwen", "any"),
    ],
)
def test_by_family(here: list[str], qwen: str, falcon: str) -> None:
    answering = stand_ins("family", here)
    assert (answering("big-qwen"), answering("falcon"), answering("odd")) == (qwen, falcon, "any")


def test_the_first_rule_that_fits_counts() -> None:
    answering = stand_ins("*guard*=@hf/a/any, @cf/b/*qwen-lora=family,@hf/a/odd=@hf/a/small-qwen", ["small-qwen"])
    assert [answering(name) for name in ("guard-qwen", "big-qwen", "odd", "falcon")] == [
        "any", "small-qwen", "small-qwen", "falcon",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("@hf/a/none", "No such model"),
        ("x=family,y=", "not a rule"),
        ("=family", "not a rule"),
        ("big", "Invalid model id"),
    ],
)
def test_a_rule_that_names_no_model(setting: str, why: str) -> None:
    with pytest.raises(ConfigError, match=rf"stand_in \(FIRESIDE_STAND_IN\): .*{why}"):
        stand_ins(setting)


def test_the_log_says_it_once(caplog: pytest.LogCaptureFixture) -> None:
    answering = stand_ins("family", ["small-qwen"])
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            answering("big-qwen")
    assert [line.getMessage() for line in caplog.records] == [
        "@hf/a/big-qwen is not here: @hf/a/small-qwen, its stand-in, answers."
    ]


def write_gone(data_dir: Path, context_length: int) -> str:
    model = add_model(data_dir, "gone", context_length=context_length)
    path = data_dir / "catalog" / "gone.toml"
    text = path.read_text().replace('kind = "none"', 'kind = "unavailable"\nreason = "Its architecture is Falcon."')
    path.write_text(f'family = "falcon"\nretired = "2025-10-01"\n{text}')
    return model


@pytest.mark.anyio
async def test_an_id_keeps_its_context(tmp_path: Path) -> None:
    gone, echo = write_gone(tmp_path, context_length=8), add_model(tmp_path, "echo")
    async with opened(tmp_path, stand_in=f"*gone={echo}") as service:
        for most, fits in ((4, True), (5, False)):
            request = TextRequest(model=gone, prompt="abcd", raw=True, max_tokens=most)
            if fits:
                assert [delta async for delta in service.generate(request)]
            else:
                with pytest.raises(ContextOverflow, match="maximum context length is 8"):
                    _ = [delta async for delta in service.generate(request)]
        # The model itself keeps all of its own.
        own = TextRequest(model=echo, prompt="abcd", raw=True, max_tokens=1000)
        assert [delta async for delta in service.generate(own)]


@pytest.mark.anyio
async def test_who_answers_is_found_once(tmp_path: Path) -> None:
    """The download of the model ends between the two looks that there were."""
    absent, echo = add_model(tmp_path, "absent", folder=tmp_path / "weights"), add_model(tmp_path, "echo")
    async with opened(tmp_path, stand_in=echo) as service:
        answering = service.resolve(absent)
        (tmp_path / "weights").mkdir()
        assert service.resolve(absent).id == absent
        request = TextRequest(model=absent, answering=answering, prompt="hello")
        assert "".join([delta.text async for delta in service.generate(request)]).strip() == "hello"


@pytest.mark.anyio
async def test_what_cannot_run_says_the_way_out(tmp_path: Path) -> None:
    gone = write_gone(tmp_path, context_length=8)
    async with opened(tmp_path) as service:
        assert (await service.status(gone)).state == "unavailable"
        with pytest.raises(ModelRetired) as raised:
            _ = [delta async for delta in service.generate(TextRequest(model=gone, prompt="hello"))]
    assert str(raised.value).startswith(
        "This model was deprecated on 2025-10-01. Please use an alternative model. Fireside has no weights for "
        "@hf/me/gone: Its architecture is Falcon. "
    )
    assert "FIRESIDE_STAND_IN" in str(raised.value)
    assert not isinstance(raised.value, ModelNotDownloaded)
